//! Images of the source (L20).

use insta::assert_snapshot;

use crate::messages;

#[test]
fn images_of_the_source_that_cannot_be() {
    assert_snapshot!(messages("\
stages:
  - name: s
    steps:
      - { name: a, image: ./ci/tool.tar, run: x }
      - { name: b, image: ../tool.tar, run: x }
      - { name: c, image: /srv/tool.tar, run: x }
      - { name: d, image: ., run: x }
      - { name: e, image: './ci/../../tool', run: x }
      - { name: f, image: './ci/tool.tar#', run: x }
      - name: g
        image: busybox
        run: x
        services: { db: { image: ./db } }
"), @"
    W0144

      × there is no `./ci/tool.tar` in the source
       ╭─[windlass.yml:4:27]
     4 │       - { name: a, image: ./ci/tool.tar, run: x }
       ·                           ─────────────
       ╰────
      help: the path is from the source's root, and what git ignores is no part of the source

    W0144

      × `../tool.tar` is not an image of the source
       ╭─[windlass.yml:5:27]
     5 │       - { name: b, image: ../tool.tar, run: x }
       ·                           ───────────
       ╰────
      help: it leads out of the source: write the path of an OCI layout or a saved archive from the
            source's root, such as `./ci/tool.tar`, and `#NAME` after it where it holds several

    W0144

      × `/srv/tool.tar` is not an image of the source
       ╭─[windlass.yml:6:27]
     6 │       - { name: c, image: /srv/tool.tar, run: x }
       ·                           ─────────────
       ╰────
      help: it leads out of the source: write the path of an OCI layout or a saved archive from the
            source's root, such as `./ci/tool.tar`, and `#NAME` after it where it holds several

    W0144

      × `.` is not an image of the source
       ╭─[windlass.yml:7:27]
     7 │       - { name: d, image: ., run: x }
       ·                           ─
       ╰────
      help: it is no path of a file or directory: write the path of an OCI layout or a saved archive
            from the source's root, such as `./ci/tool.tar`, and `#NAME` after it where it holds
            several

    W0144

      × `./ci/../../tool` is not an image of the source
       ╭─[windlass.yml:8:27]
     8 │       - { name: e, image: './ci/../../tool', run: x }
       ·                           ─────────────────
       ╰────
      help: it leads out of the source: write the path of an OCI layout or a saved archive from the
            source's root, such as `./ci/tool.tar`, and `#NAME` after it where it holds several

    W0144

      × `./ci/tool.tar#` is not an image of the source
       ╭─[windlass.yml:9:27]
     9 │       - { name: f, image: './ci/tool.tar#', run: x }
       ·                           ────────────────
       ╰────
      help: `#` is followed by no name: write the path of an OCI layout or a saved archive from the
            source's root, such as `./ci/tool.tar`, and `#NAME` after it where it holds several

    W0144

      × there is no `./db` in the source
        ╭─[windlass.yml:13:34]
     13 │         services: { db: { image: ./db } }
        ·                                  ────
        ╰────
      help: the path is from the source's root, and what git ignores is no part of the source
    ");
}

#[test]
fn what_comes_from_outputs_is_in_no_file_of_the_source() {
    assert_snapshot!(messages("\
defaults: { image: i }
stages:
  - name: build
    steps: [{ name: make, run: x, outputs: [tag] }]
  - name: test
    steps:
      - { name: a, image: './ci/${{ steps.make.outputs.tag }}.tar', run: x }
"), @"
    W0144

      × an image of the source that an output is to name
       ╭─[windlass.yml:7:27]
     7 │       - { name: a, image: './ci/${{ steps.make.outputs.tag }}.tar', run: x }
       ·                           ────────────────────────────────────────
       ╰────
      help: such an image is looked for before anything starts; write its path out
    ");
}

#[test]
fn an_image_of_the_source_is_not_waited_for() {
    assert_snapshot!(messages("\
defaults: { image: i }
stages:
  - name: test
    steps: [{ name: a, run: x, wait_for: { image: ./ci/tool.tar } }]
"), @"
    W0198

      × `./ci/tool.tar` cannot be waited for as `image`
       ╭─[windlass.yml:4:51]
     4 │     steps: [{ name: a, run: x, wait_for: { image: ./ci/tool.tar } }]
       ·                                                   ─────────────
       ╰────
      help: an image of the source is there from the start; remove `wait_for`
    ");
}
