//! Every code of the front end in one table: what it is called, and what a person needs to know
//! who looks it up. `docs/diagnostics.md` is made from it.
//!
//! A code never changes its meaning, and a number is never used again.

/// One code of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code as it is printed, such as `W0121`.
    pub code: &'static str,
    /// What is wrong, as a heading.
    pub title: &'static str,
    /// Why it is refused and what to do, in one paragraph.
    pub explanation: &'static str,
}

impl Code {
    /// Finds a code by its text.
    pub fn find(code: &str) -> Option<&'static Code> {
        ALL.iter().find(|known| known.code == code)
    }
}

/// Writes the page of all codes.
pub fn page() -> String {
    let mut page = String::from(
        "# Diagnostics\n\n\
         What `windlass check` and `windlass run` say about a pipeline file. Every message carries one of\n\
         these codes, the place it is about, and what to do. A code never changes its meaning.\n\
         This page is written from `src/frontend/codes.rs`: `UPDATE=1 cargo test --test frontend`.\n",
    );
    for Code { code, title, explanation } in ALL {
        page.extend(["\n## ", code, ": ", title, "\n\n", explanation, "\n"]);
    }
    page
}

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $explanation:literal;)*) => {
        $(#[doc = $title] pub(crate) const $name: &str = $code;)*

        /// Every code, in the order of the numbers.
        pub const ALL: &[Code] =
            &[$(Code { code: $code, title: $title, explanation: $explanation },)*];
    };
}

codes! {
    FILE_TOO_LARGE "W0101" "the file is too large"
        "A pipeline file has at most 8 MiB, so that a wrong file is refused before it costs anything. Move data out of the pipeline into files of the repository.";
    SYNTAX "W0102" "the file is not YAML"
        "The text breaks a rule of YAML 1.2, so nothing after this place can be read and nothing else is reported. Common causes are a tab in the indentation, a missing bracket or colon, and text with `: ` or ` #` in it that needs quotes.";
    FORBIDDEN_CHARACTER "W0103" "a character that no text file holds"
        "NUL, escape and other control characters, and a byte order mark that is not at the very start, are not allowed in YAML. In a double-quoted string they can be written as an escape such as `\\x1b`.";
    TOO_DEEP "W0104" "nested too deep"
        "Lists and mappings nest at most 64 levels, counting what aliases repeat.";
    TOO_MANY_NODES "W0105" "too much after following aliases"
        "A file has at most 500,000 nodes and 64 MiB of text once every alias is replaced by what it repeats. Aliases of aliases multiply quickly; such a file is refused before it takes memory.";
    DUPLICATE_KEY "W0106" "a key is given twice"
        "YAML wants the keys of a mapping to be unique, and readers disagree about which of two wins. Remove one. A key that comes in by `<<` may be given again: the one that is written out wins.";
    KEY_NOT_TEXT "W0107" "a key that is not text"
        "Keys are words. YAML allows lists and mappings as keys; a pipeline has no use for them. Often a `?` or a bracket is in the wrong place.";
    BAD_MERGE "W0108" "a merge of something that is not a mapping"
        "`<<` adds the keys of another mapping, or of a list of mappings, to the one it stands in: `<<: *common`. It cannot merge text or a list of other things.";
    TAG "W0109" "a tag"
        "Tags such as `!!str` or `!reference` are not part of the language: what a value is follows from its key alone. Quote text that must stay text; write out what a tag of another tool would have fetched.";
    SECOND_DOCUMENT "W0110" "more than one document"
        "A pipeline is one YAML document. A `---` at the start of the file is fine; a second one begins a second document, which nobody would run.";
    RECURSIVE_ALIAS "W0111" "an alias inside its own anchor"
        "`&a [*a]` would never end.";
    EMPTY_FILE "W0112" "the file is empty"
        "There is nothing in the file but comments or white space. A pipeline has at least one stage with one step.";

    UNKNOWN_KEY "W0121" "an unknown key"
        "The key is not one of those that are known at this place; the message names the nearest one that is. Keys that begin with `x-` are free for your own use, for example to hold anchors.";
    NOT_YET "W0122" "not known to this version yet"
        "The language has this key or form, but this version of windlass cannot do what it asks for yet. It is refused rather than ignored, because a pipeline that silently leaves something out lies.";
    MISSING_KEY "W0123" "a key is missing"
        "Something cannot be without this key, such as a step without its `name`.";
    WRONG_KIND "W0124" "the wrong kind of value"
        "The key takes another kind of value than the one given: a list where text was given, for example. The message says which.";
    NO_VALUE "W0125" "a key without a value"
        "The key has no value, or one that YAML reads as null (`~`, `null`). Write the value, write `\"\"` for an empty text or `[]` for an empty list, quote the word if it is meant as text, or remove the key.";

    BAD_NAME "W0131" "not a name"
        "Names of pipelines, stages and steps begin with a small letter, go on with small letters, digits, `_` and `-`, and have at most 63 characters, so that they can stand in container names, file names and host names everywhere.";
    BAD_DURATION "W0132" "not a duration"
        "Durations are whole numbers with units, the largest first: `90s`, `20m`, `1h30m`, `250ms`. A bare number is refused, since nobody can know whether it means seconds or minutes. They are more than zero and at most 8760h.";
    BAD_SIZE "W0133" "not a size"
        "Sizes are whole numbers with a unit: `512Mi`, `1Gi` (powers of 1024) or `500M` (powers of 1000). A bare number is refused. They are more than zero.";
    BAD_NUMBER "W0134" "not the number that is wanted"
        "The key takes a number in a certain range: `cpus` a decimal such as `1.5`, `pids` a whole number above zero, `exit_codes` whole numbers from 1 to 255. Numbers are not quoted.";
    BAD_WORD "W0135" "not one of the possible words"
        "The key takes one word of a short list, which the message gives.";
    BAD_USER "W0136" "not a user"
        "`user` is a user id, or a user id and a group id: `1000` or `1000:1000`. Names are not accepted, since each image would read them differently.";
    BAD_VARIABLE "W0137" "not the name of an environment variable"
        "Names of environment variables consist of letters, digits and `_`, and do not begin with a digit; shells cannot read others.";
    BAD_BOOLEAN "W0138" "not a boolean"
        "Only `true` and `false` are booleans. `yes`, `no`, `on`, `off` and `True` are text in YAML 1.2 or read differently by different tools, and a quoted `\"true\"` is text.";
    BAD_VERSION "W0139" "an unknown version of the language"
        "`version` may be left out and is `1` otherwise; there is no other version.";
    BAD_IMAGE "W0140" "not an image"
        "`image` is a registry reference such as `rust:1.95` or `ghcr.io/owner/name@sha256:…`, a path of the source such as `./ci/tool.tar`, or the word `host`. Names are in small letters, and no `https://` stands before them.";
    NOTHING_TO_RUN "W0141" "nothing to run"
        "`run`, `command` or `shell` is there but empty. Remove the key to run the image's own entry point.";
    KEYS_CLASH "W0142" "keys that do not go together"
        "`run` is a script and replaces the image's entry point, `command` does the same with a program, and `args` follow a program; so `run` stands without `command` and `args`. `shell` says what reads a script, so it needs `run`.";
    BAD_MATRIX "W0143" "a matrix that cannot be"
        "A matrix has keys with lists of values, and a step is there once for each combination, at most 256 times; `exclude` removes those that have certain values, and `include` adds single ones, each with a value for every key. A step gets the values as environment variables, in capitals with `_` for `-`, so no two keys and no variable of `env` may have the same name.";
    NO_IMAGE_FILE "W0144" "no image at a path of the source"
        "`image: ./PATH` is an image that comes with the source: a directory there is an OCI image layout, a file is a saved archive, as `docker save` or `skopeo copy` write it. The path is from the source's root and does not lead out of it; what git ignores is no part of the source, and a path is never taken from an output of a step. `./PATH#NAME` picks one image of several by its name.";

    STEP_TWICE "W0151" "two steps with one name"
        "Step names are unique in the whole pipeline, so that `needs`, the log and the command line can name one without its stage.";
    STAGE_TWICE "W0152" "two stages with one name"
        "Stage names are unique, and `on_failure` and `finally` are taken by the parts of the pipeline that are called so.";
    UNKNOWN_STEP "W0153" "`needs` names a step that is not there"
        "`needs` names steps of the same pipeline. The message gives the nearest name.";
    LATER_STEP "W0154" "`needs` names a step of a later stage"
        "A step waits for steps of its own stage or of earlier ones; later stages start when it has ended, so both would wait for ever. The steps of `on_failure` and `finally` run after all stages, and only steps of the same list can wait for one.";
    CYCLE "W0155" "steps wait for each other"
        "Following `needs` from this step leads back to it, so none of the steps on the way could ever start.";
    NO_IMAGE "W0156" "a step without an image"
        "Every step says what it runs in: by its own `image`, or by `defaults: { image: … }` for all steps that have none.";
    NO_STEPS "W0157" "nothing in it"
        "A pipeline has at least one stage and a stage at least one step; `on_failure` and `finally` are left out when they have none, and so are lists of templates, parameters and files to include.";
    TOO_MUCH_ENVIRONMENT "W0158" "the environments are too large"
        "The pipeline's and the stages' `env` and the `defaults` are given to every step; together, over all steps, they come to more than 64 MiB. Put large data into files of the repository.";
    NEEDED_TWICE "W0159" "`needs` names a step twice"
        "Once is enough; a second time is usually a name that should have been changed.";
    NEEDS_NOTHING "W0160" "`needs: { any: [] }`"
        "The step would wait for the first of no steps, and so for ever. Name the steps of which one must pass, or write `needs: []` for a step that starts at once.";
    NO_INSTANCE "W0161" "`needs` does not say which instance"
        "`{ step: NAME, matrix: { KEY: VALUE } }` selects those instances of a step that have all these values, and there must be one. A name alone means all instances, which `any` cannot wait for: say which of them is enough.";

    BAD_INPUT "W0171" "an input that cannot be"
        "`inputs` is a list; each input has a `name` and a `type`: `string` (when left out), `number`, `boolean`, or `choice` with its `values`. An input with a `default` may be left out on the command line; the others are given with `--input NAME=VALUE`. Steps get each as `WINDLASS_INPUT_<NAME>`, in capitals with `_` for `-`, so no two may become the same variable.";
    UNKNOWN_ENVIRONMENT "W0172" "an environment that is not there"
        "`environments` of the pipeline names sets of `env`, of which a run chooses one with `--environment`; `environments` of a stage or a step lists for which of them it is, and it is skipped unless one of these is chosen. So each name in the list must be one of the pipeline's.";
    EXPRESSION "W0173" "an expression that cannot be evaluated"
        "`${{ }}` stands for the value of an expression, put in its place when the pipeline is compiled. Expressions ask `inputs`, `env`, `git`, `event`, `environment` and the files of the source; a name that is not there is an error, as are values of types that do not go together. There are no secrets in `${{ }}`: a step lists them in `secrets`, and its program gets them as variables. A literal `${{` is written `$${{`.";
    LATE_VALUE "W0174" "a value that is not known in time"
        "Outputs of steps are known once the step has ended. They may stand in `image`, `env`, `command` and `args`, each by itself in its `${{ steps.NAME.outputs.KEY }}`; everything else must be known before anything starts.";
    PART_OF_ARGUMENT "W0175" "an expression as a part of an argument"
        "In `command` and `args` a `${{ }}` is a whole item. As a part of one, a value with a space, a quote or a `-` in it could change what the program is asked to do. Write the value as an item of its own, or set a variable in `env` and let the program read that.";
    FOREIGN_CODE "W0176" "text of others as code"
        "Whoever pushes a branch or opens a pull request chooses its name. After `-c` a shell runs such text as code, so text from `git` or `event` is refused there. Set a variable in `env` and use it in the shell's own way: `\"$BRANCH\"` is never more than text.";
    NOT_IN_SCRIPTS "W0177" "`${{ }}` in a script"
        "A script is run byte for byte as it is written, so a `${{ }}` in it is not replaced, and to a shell it is an error. Values reach a script as variables: inputs as `$WINDLASS_INPUT_<NAME>`, others by `env: { NAME: \"${{ … }}\" }`.";
    NOT_ENDED "W0178" "an output that may not be there yet"
        "A string may take an output of a step that is certain to have ended when the step starts: one of an earlier stage, or one that it `needs`, directly or by others. The step must declare the output in its `outputs`.";
    BAD_CONDITION "W0181" "a condition that cannot be decided"
        "`when` is an expression that is true or false, such as `git.branch == 'main' && changed('web/**')`. It may read `inputs`, `env`, `git`, `event`, `environment` and `steps`, and ask `files.exist`, `changed` and `hash`. Text stands in quotes. Two values are compared only when they are of one type: a boolean with `true`, not with `'true'`. What may be absent is asked for first: `has(env.NAME)`.";
    ASKS_TOO_EARLY "W0182" "a condition asks how a step ended that may not have ended"
        "A condition is decided when the turn of its step has come. So it may name only steps that have certainly ended by then: those of earlier stages, when the step has no `needs`, and those that it waits for by `needs`, directly or through others. Of `needs: { any: [...] }` none is certain.";
    ALL_CHANGED "W0183" "`changed` cannot tell"
        "`changed` compares the files with the merge base of the commit and the default branch. Where there is no repository, no commit, no default branch, or the history that the two have in common is not here, nothing can be compared, and every file counts as changed: rather a step too many than one too few. The default branch is the one of `origin`; `git remote set-head origin --auto` makes it known to a clone.";
    BAD_INCLUDE "W0191" "a file that cannot be included"
        "`include` lists files of the source itself, by their paths from its root: no path that leads out of it, no link, no file that includes itself by way of others; at most 64 files, 8 in a row and 8 MiB in all. An included file holds `templates`, and may include others.";
    UNKNOWN_TEMPLATE "W0192" "`template` names a template that is not there"
        "A step uses a template of the same file, or of a file that is included. The message gives the nearest name.";
    TEMPLATE_TWICE "W0193" "two templates with one name"
        "Names of templates are unique in the pipeline file and all files that it includes together.";
    BAD_PARAMETER "W0194" "a parameter that does not fit"
        "A template declares its parameters by `params`, each with a name without `-`, a type (`string`, `number`, `boolean`, or `choice` with `values`) and perhaps a default. A step that uses the template gives them by `with`: all that have no default, none that are not declared, each of its type. In the template `${{ params.NAME }}` stands for the value, in every string but a script; scripts see it as `WINDLASS_PARAM_<NAME>`.";
    BAD_GATE "W0195" "a gate that cannot be"
        "`gate` is the question that somebody answers with yes before the step starts. It says something, and stands on a step of a stage: `on_failure` and `finally` run when nobody may be there to answer.";

    BAD_WAIT "W0198" "nothing to wait for"
        "`wait_for` names one thing that has to be there before the step starts: `image: registry.example/shop:1.2`, `url: https://shop.example/health`, `file: dist/ready` in the workspace, or `port: db.example:5432`; and perhaps a `timeout`, 10m when left out. Addresses and ports are asked from the machine that windlass runs on, without credentials. A service of the step needs no waiting: the step starts once it is ready.";

    SERVICE_TWICE "W0201" "two services with one name"
        "A step reaches a service by its name, so no two that one step has may be called the same: not those of a step and its stage, nor those of a stage and the pipeline. Steps of different stages may each have a service of one name. `localhost` is always the step itself, and so is `windlass`, the host name of every container.";
    SERVICE_OUT_OF_REACH "W0202" "services and no network"
        "A step with `network: none` has nothing but its own loopback, and could reach no service of its own. Services of its stage or of the pipeline are simply not there for such a step.";
    BAD_PROBE "W0203" "no question to a service"
        "`ready` asks one thing: `command: [pg_isready]`, `port: 5432`, `log: ready to accept`, or `http: 8080/health`. `log` is a piece of a single line, and `http` a port from 1 to 65535 with a path behind it.";
    BAD_SECRET "W0211" "not a secret"
        "A pipeline declares its secrets by name, and a step lists those it gets: `secrets: [DEPLOY_TOKEN]`. A step gets one as the environment variable of its name, so a name has letters, digits and `_` and does not begin with a digit. There are at most 256. No value stands in a file: whoever runs the pipeline gives them.";
    UNDECLARED_SECRET "W0212" "a secret that is not declared"
        "A step lists a secret that the pipeline's own `secrets` does not have. The list of the pipeline says at one place what somebody has to give who runs it.";
    SECRET_TWICE "W0213" "a secret twice"
        "A secret is declared once and listed once by a step, each file of a secret has a path of its own, and a step that gets a secret as environment has no other variable of that name in its `env` or `matrix`.";
    SECRET_FILE "W0214" "no place for a secret's file"
        "`{ name: TOKEN, file: PATH }` puts a secret into memory and a link to it at PATH, an absolute path without `.` and `..`. It cannot be in `/workspace`, which all steps share, nor in `/proc`, `/sys`, `/dev` and windlass's own places.";
    BAD_OUTPUT "W0215" "not an output"
        "`outputs` lists the keys that a step writes to the file `$WINDLASS_OUTPUT`, each once: letters, digits and `_`, not beginning with a digit, at most 63. There are at most 256.";
    BAD_PATTERN "W0216" "not files to substitute in"
        "`substitute` lists patterns of files of the workspace, by their paths from its root: `substitute: ['deploy/*.yaml']`. `*` and `?` stay within a directory, `**` as a whole part of the path stands for any number of them. In these files the step alone sees values in the place of `${name}`. There are at most 64 patterns of 1024 bytes, each once, and `.git` has no files to substitute in.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_rise() {
        assert!(ALL.is_sorted_by(|one, next| one.code < next.code));
    }

    #[test]
    fn a_code_is_found_by_its_text() {
        assert_eq!(Code::find(UNKNOWN_KEY).map(|code| code.title), Some("an unknown key"));
        assert_eq!(Code::find("W9999"), None);
    }
}
