//! What is said about mistakes, and where.

use super::{Expression, World, error};

#[test]
fn mistakes_of_grammar_name_their_place() {
    for (text, said) in [
        ("", "the expression is empty | "),
        ("   ", "the expression is empty |    "),
        ("git.branch = 'main'", "`=` has no meaning here | = 'main'"),
        ("a & b", "`&` has no meaning here | & b"),
        ("git.branch ==", "the expression ends where a value was expected | "),
        ("(1 == 1", "the expression ends where `)` was expected | "),
        ("1 == 1)", "there is `)` where the end, or an operator such as `&&` was expected | )"),
        ("git.branch == 'main", "this text has no end | 'main"),
        ("git.branch == main", "`main` is not known | main"),
        ("$HOME == 'x'", "`$` has no meaning here | $HOME == 'x'"),
        ("1.2.3 == 1", "there is `.3` where the end, or an operator such as `&&` was expected | .3 == 1"),
        ("3m > 2", "`3m` is not a number | 3m > 2"),
        ("99999999999999999999 > 1", "`99999999999999999999` is not a number | 99999999999999999999 > 1"),
        (r"'\d' == ''", r"this is not an escape of a text | \d' == ''"),
        ("null == 1", "`null` is not known | null == 1"),
        ("b'a' == 'a'", "`b` before a quote is not known | b'a' == 'a'"),
        ("has(git)", "`has` cannot ask for this | has(git)"),
        ("[1].all(git, true)", "`git` has a meaning already | git, true)"),
        ("exists('a')", "there is no function `exists` | exists('a')"),
        ("'a'.size(1) == 1", "`size` does not take 1 arguments | size(1) == 1"),
        ("files.exists('a')", "there is no function `files.exists` | exists('a')"),
    ] {
        assert_eq!(error(text), said, "{text}");
    }
}

#[test]
fn names_that_are_not_there_are_named() {
    for (text, said) in [
        ("inputs.tagret == 'x'", "`inputs` has no `tagret` | inputs.tagret == 'x'"),
        ("git.brnch == 'x'", "`git` has no `brnch` | git.brnch == 'x'"),
        ("env.NONE == 'x'", "`env` has no `NONE` | env.NONE == 'x'"),
        ("event.none == 'x'", "`event` has no `none` | event.none == 'x'"),
        ("steps.a.status == 'x'", "a step has no `status` | steps.a.status == 'x'"),
        ("inputs.apps[2] == 'x'", "the list has no item 2; it has 2 | 2] == 'x'"),
        ("hash('bad') == ''", "`bad` cannot be read | hash('bad') == ''"),
        ("1 / 0 == 1", "a number is divided by zero | / 0 == 1"),
        ("9223372036854775807 + 1 > 0", "the number becomes too large | + 1 > 0"),
        ("int('x') == 1", "`int` cannot make a whole number of 'x' | int('x') == 1"),
        ("'a'.matches('(')", "this is not a regular expression | matches('(')"),
        (
            "files.exist(steps.a.outputs.path)",
            "`files.exist` cannot ask by what `steps.a` says | steps.a.outputs.path)",
        ),
    ] {
        assert_eq!(error(text), said, "{text}");
    }
}

#[test]
fn a_name_with_a_hyphen_is_told_how_to_be_written() {
    let step = Expression::parse("steps.unit-test.outcome == 'passed'").unwrap_err();
    assert_eq!(step.message, "`steps.unit-test` is read as a subtraction");
    assert_eq!(step.help, "a name with a hyphen is written `steps['unit-test']`");
    assert_eq!(step.offset, 6);
    let world = World::new();
    let input = Expression::parse("inputs.dry-run").and_then(|input| input.check(&world.facts()));
    assert_eq!(input.unwrap_err().help, "a name with a hyphen is written `inputs['dry-run']`");
}
