//! Files to substitute in (L30).

use insta::assert_snapshot;

use crate::messages;

#[test]
fn files_that_cannot_be_substituted_in() {
    assert_snapshot!(messages("\
defaults: { image: i }
stages:
  - name: s
    steps:
      - { name: a, substitute: [] }
      - { name: b, substitute: config }
      - { name: c, substitute: [/etc/passwd, 'deploy/', '../x', '.git/config', a, a] }
      - { name: d, substitute: [\"a\\nb\"] }
"), @r#"
    W0157

      × `substitute` is empty
       ╭─[windlass.yml:5:32]
     5 │       - { name: a, substitute: [] }
       ·                                ─
       ╰────
      help: name the files in which values take the place of `${name}`, or remove the key

    W0124

      × `substitute` takes a list of patterns, not text
       ╭─[windlass.yml:6:32]
     6 │       - { name: b, substitute: config }
       ·                                ──────
       ╰────
      help: write `substitute: ['deploy/*.yaml']`

    W0216

      × `/etc/passwd` is not a pattern of files; patterns are paths from the source's root, without `/
      │ ` before, `.` and `..`
       ╭─[windlass.yml:7:33]
     7 │       - { name: c, substitute: [/etc/passwd, 'deploy/', '../x', '.git/config', a, a] }
       ·                                 ───────────
       ╰────
      help: write `substitute: ['deploy/*.yaml']`

    W0216

      × `deploy/` is a directory; `deploy/**` stands for all files in it
       ╭─[windlass.yml:7:46]
     7 │       - { name: c, substitute: [/etc/passwd, 'deploy/', '../x', '.git/config', a, a] }
       ·                                              ─────────
       ╰────
      help: write `substitute: ['deploy/*.yaml']`

    W0216

      × `../x` is not a pattern of files; patterns are paths from the source's root, without `/`
      │ before, `.` and `..`
       ╭─[windlass.yml:7:57]
     7 │       - { name: c, substitute: [/etc/passwd, 'deploy/', '../x', '.git/config', a, a] }
       ·                                                         ──────
       ╰────
      help: write `substitute: ['deploy/*.yaml']`

    W0216

      × `.git/config` is in `.git`
       ╭─[windlass.yml:7:65]
     7 │ …  - { name: c, substitute: [/etc/passwd, 'deploy/', '../x', '.git/config', a, a] }
       ·                                                              ─────────────
       ╰────
      help: the repository itself is left alone; name files beside `.git`

    W0216

      × the step substitutes in `a` twice
       ╭─[windlass.yml:7:83]
     7 │ …stitute: [/etc/passwd, 'deploy/', '../x', '.git/config', a, a] }
       ·                                                              ─
       ╰────
      help: remove one of them

    W0216

      × this pattern holds a control character
       ╭─[windlass.yml:8:33]
     8 │       - { name: d, substitute: ["a\nb"] }
       ·                                 ──────
       ╰────
      help: `?` stands for any one character
    "#);
}

#[test]
fn too_many_patterns_and_too_long_ones() {
    let many: Vec<String> = (0..65).map(|number| format!("f{number}")).collect();
    assert_snapshot!(messages(&format!("\
defaults: {{ image: i }}
stages:
  - name: s
    steps:
      - name: a
        substitute: [{}]
      - name: b
        substitute:
          - '{}'
", many.join(","), "x".repeat(1025))), @"
    W0216

      × the step has 65 patterns of files
       ╭─[windlass.yml:6:21]
     6 │         substitute: [f0,f1,f2,f3,f4,f5,f6,f7,f8,f9,f10,f11,f12,f13,f14,f15,f16,f1…
       ·                     ─
       ╰────
      help: there are at most 64; one pattern can stand for many files: 'deploy/**'

    W0216

      × this pattern has 1025 bytes
       ╭─[windlass.yml:9:13]
     9 │           - 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
       ·             ────────────────────────────────────────────────────────────
       ╰────
      help: it has at most 1024
    ");
}
