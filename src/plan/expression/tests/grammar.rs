//! What may be written, and how it is read.

use super::{Expression, Value, hold, value};

#[test]
fn literals_are_those_of_cel() {
    assert_eq!(value("'a'"), "a".into());
    assert_eq!(value(r#""it's""#), "it's".into());
    assert_eq!(
        value(r"'tab\t nl\n q\' bs\\ \u00e9 \x41 \101 \U0001F600'"),
        "tab\t nl\n q' bs\\ é A A 😀".into()
    );
    assert_eq!(value(r"r'a\d+'"), r"a\d+".into());
    assert_eq!(value("'''two\n'lines' '''"), "two\n'lines' ".into());
    assert_eq!(value("0x1F"), Value::Whole(31));
    assert_eq!(value("-9223372036854775808"), Value::Whole(i64::MIN));
    assert_eq!(value("1.5e2"), Value::Number(150.0));
    assert_eq!(value(".5"), Value::Number(0.5));
    assert_eq!(value("[1, 2,]"), Value::List(vec![Value::Whole(1), Value::Whole(2)]));
    hold(&["{'a': 1}['a'] == 1", "{'a': 1}.a == 1", "true // to the end"]);
}

#[test]
fn operators_bind_as_in_cel() {
    hold(&[
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "10 - 2 - 3 == 5",
        "7 / 2 == 3 && 7 % 2 == 1 && 7.0 / 2.0 == 3.5",
        "true || false && false",
        "!false && !(true && false)",
        "!!true",
        "- -3 == 3 && -3 + 3 == 0",
        "1 < 2 == true",
        "false ? true : false ? false : true",
        "1 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1}",
        "'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
        "1 == 1.0 && 2 > 1.5",
        "'b' > 'a' && false < true",
    ]);
}

#[test]
fn functions_and_macros_are_those_of_cel() {
    hold(&[
        "size('héé') == 3 && 'ab'.size() == 2 && size([1, 2]) == 2 && size({'a': 1}) == 1",
        "git.branch.startsWith('ma') && git.branch.endsWith('in') && git.branch.contains('ai')",
        "'release/1.2'.matches('^release/[0-9.]+$') && !'x'.matches('^y')",
        "string(3) == '3' && string(true) == 'true' && string(1.5) == '1.5' && string(inputs.count) == '3'",
        "int('12') == 12 && int(1.9) == 1 && double('1.5') == 1.5 && double(2) == 2.0 && bool('true')",
        "['a', 'b'].all(x, size(x) == 1) && ['a', 'b'].exists(x, x == 'b')",
        "['a', 'b'].exists_one(x, x == 'b') && [1, 2].map(x, x + 1) == [2, 3]",
        "[1, 2, 3].map(x, x > 1, x * 10) == [20, 30] && [1, 2, 3].filter(x, x > 2) == [3]",
        "inputs.exists(name, name == 'target') && [1, 2].all(x, [3].all(y, x < y))",
    ]);
}

#[test]
fn a_text_is_written_again_so_that_it_means_the_same() {
    for text in [
        "a == 'x'",
        "(1 + 2) * 3 - (4 - 5)",
        "!(true || false) && (false || true)",
        "(true ? 1 : 2) + 3 == 4 ? 'a' : false ? 'b' : 'c\\'\\n\\\\'",
        "-(-3) + -3",
        "['a'].exists(x, x.contains('a') || has(env.MODE) && [1][0] == 1)",
        "[1, 2].map(x, x > 1, x * 2)",
        "has(inputs['dry-run']) && steps['unit-test'].outputs.key in ['a', 'b']",
        "{'a': 1, 'b': [2.0]}.a == 1",
        "steps.a.all.all(i, i.outcome == 'passed')",
        "files.exist('go.mod') || changed(['a', 'b'])",
    ] {
        let text = text.replace("a == 'x'", "git.branch == 'x'");
        let once = Expression::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let written = once.to_string();
        let again = Expression::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(again.to_string(), written, "{text}");
    }
}
