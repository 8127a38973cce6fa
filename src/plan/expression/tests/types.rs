//! Values of unlike types are an error, before or while they are compared.

use super::{Expression, World, error};

#[test]
fn unlike_types_are_found_before_anything_is_evaluated() {
    for (text, said) in [
        ("inputs.count == '3'", "`==` compares a number and text | == '3'"),
        ("inputs['dry-run'] == 'true'", "`==` compares a boolean and text | == 'true'"),
        ("git.branch != 1", "`!=` compares text and a whole number | != 1"),
        ("1 in ['a']", "`==` compares a whole number and text | 'a']"),
        ("inputs.count + 1 > 2", "`+` has a number and a whole number | + 1 > 2"),
        ("'v' + 1 == 'v1'", "`+` has text and a whole number | + 1 == 'v1'"),
        ("env.MODE && true", "`&&` takes a boolean, not text | env.MODE && true"),
        ("!git.tag", "`!` takes a boolean, not text | git.tag"),
        ("-'a' == 'a'", "`-` takes a number, not text | 'a' == 'a'"),
        ("true ? 1 : 'a'", "the two results of `? :` are a whole number and text | ? 1 : 'a'"),
        ("[1, 'a'] == []", "the items of a list are a whole number and text | 'a'] == []"),
        ("size(1) == 1", "`size` takes text, a list or a mapping, not a whole number | 1) == 1"),
        ("'a'.contains(1)", "`contains` takes text, not a whole number | 1)"),
        ("'a' > 1", "`>` compares text and a whole number | > 1"),
        ("[1] < [2]", "`<` takes numbers or texts, not a list | < [2]"),
        ("'a' in 'abc'", "`in` takes a list or a mapping behind it, not text | in 'abc'"),
        ("git.branch.name == 'a'", "`name` is asked of text, which has no parts | git.branch.name == 'a'"),
        ("steps.a.exit_code == '1'", "`==` compares a whole number and text | == '1'"),
        ("1.5 % 2.0 == 1.0", "`%` takes whole numbers, not a number | % 2.0 == 1.0"),
        // Also in what is never evaluated.
        ("false && inputs.count == 'x'", "`==` compares a number and text | == 'x'"),
        ("true || [true].exists(x, x == 'a')", "`==` compares a boolean and text | == 'a')"),
    ] {
        assert_eq!(error(text), said, "{text}");
    }
}

#[test]
fn what_is_not_known_before_is_found_while_it_is_evaluated() {
    let world = World::new();
    for text in [
        "[1, 2][0] == 'a'",
        "{'a': 1}.a == 'a' || false",
        "'web' in [1, 2].map(x, x + 1)",
        "[[1]] == [['a']]",
        "{'a': 1} == {'a': 'x'}",
        "inputs.apps[0] == 1",
        "![1][0]",
        "inputs.apps.exists(a, a == 1)",
    ] {
        let expression = Expression::parse(text).unwrap();
        assert!(expression.evaluate(&world.facts()).is_err(), "{text}");
    }
}
