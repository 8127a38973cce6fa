//! The functions of an expression: their names, and of what types their arguments are.

use super::value::Type;

/// A function; a method's first argument is what it is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    SizeOf,
    ToText,
    ToWhole,
    ToNumber,
    ToBool,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    FilesExist,
    Changed,
    Hash,
}

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    /// Text, a list or a mapping.
    Sized,
    /// Anything but a list or a mapping.
    Simple,
    /// A text or a list of texts.
    Globs,
}

struct Row(Function, &'static str, bool, &'static [Takes], Type);

const TABLE: [Row; 13] = [
    Row(Function::Size, "size", false, &[Takes::Sized], Type::Whole),
    Row(Function::SizeOf, "size", true, &[Takes::Sized], Type::Whole),
    Row(Function::ToText, "string", false, &[Takes::Simple], Type::Text),
    Row(Function::ToWhole, "int", false, &[Takes::Simple], Type::Whole),
    Row(Function::ToNumber, "double", false, &[Takes::Simple], Type::Number),
    Row(Function::ToBool, "bool", false, &[Takes::Simple], Type::Bool),
    Row(Function::Contains, "contains", true, &[Takes::Text, Takes::Text], Type::Bool),
    Row(Function::StartsWith, "startsWith", true, &[Takes::Text, Takes::Text], Type::Bool),
    Row(Function::EndsWith, "endsWith", true, &[Takes::Text, Takes::Text], Type::Bool),
    Row(Function::Matches, "matches", true, &[Takes::Text, Takes::Text], Type::Bool),
    Row(Function::FilesExist, "files.exist", false, &[Takes::Globs], Type::Bool),
    Row(Function::Changed, "changed", false, &[Takes::Globs], Type::Bool),
    Row(Function::Hash, "hash", false, &[Takes::Globs], Type::Text),
];

impl Function {
    /// The function that is called so, on something or on nothing.
    pub(super) fn find(name: &str, method: bool) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name && row.2 == method).map(|row| row.0)
    }

    /// What may have been meant by a name.
    pub(super) fn names(method: bool) -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(move |row| row.2 == method).map(|row| row.1)
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    pub(super) fn is_method(self) -> bool {
        self.row().2
    }

    pub(super) fn takes(self) -> &'static [Takes] {
        self.row().3
    }

    pub(super) fn gives(self) -> Type {
        self.row().4
    }

    /// Whether it asks for the files of the source.
    pub(super) fn asks_files(self) -> bool {
        matches!(self, Function::FilesExist | Function::Changed | Function::Hash)
    }
}

impl Takes {
    pub(super) fn accepts(self, kind: Type) -> bool {
        kind == Type::Any
            || match self {
                Takes::Text => kind == Type::Text,
                Takes::Sized => matches!(kind, Type::Text | Type::List | Type::Map),
                Takes::Simple => !matches!(kind, Type::List | Type::Map),
                Takes::Globs => matches!(kind, Type::Text | Type::List),
            }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Takes::Text => "text",
            Takes::Sized => "text, a list or a mapping",
            Takes::Simple => "text, a number or a boolean",
            Takes::Globs => "a pattern of files, or a list of them",
        }
    }
}
