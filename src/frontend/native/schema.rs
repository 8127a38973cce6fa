//! The JSON Schema (draft 2020-12) of the language, written from the tables of keys.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Kind, Table};
use super::services::TAKEN;
use super::{outputs, patterns, retry, secrets, wait_for};
use crate::plan::expression::MAX_EXPRESSION;

/// Where text is wanted, a plain scalar keeps its spelling, whatever it looks like.
const TEXT: [&str; 3] = ["string", "number", "boolean"];

/// The JSON Schema of `windlass.yml`.
pub fn schema() -> Value {
    let definitions: Map<String, Value> =
        keys::ALL.iter().map(|table| (table.name.to_owned(), mapping(table))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "windlass.yml",
        "$ref": reference(&keys::PIPELINE),
        "$defs": definitions,
    })
}

fn mapping(table: &Table) -> Value {
    let known: Vec<&Key> = table.keys.iter().filter(|key| !key.is_later()).collect();
    let open = table.name == keys::TEMPLATE.name;
    let properties = known.iter().map(|key| {
        let schema =
            if open && !matches!(key.name, "name" | "params") { parametric(key) } else { described(key) };
        (key.name.to_owned(), schema)
    });
    let properties: Map<String, Value> = properties.collect();
    let required: Vec<_> = known.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": table.about,
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
        "required": required,
    });
    if !table.clashes.is_empty() {
        schema["not"] = json!({
            "anyOf": table.clashes.iter().map(|(one, other)| json!({ "required": [one, other] })).collect::<Vec<_>>(),
        });
    }
    if !table.requires.is_empty() {
        let needs = table.requires.iter().map(|(one, other)| ((*one).to_owned(), json!([other])));
        schema["dependentRequired"] = needs.collect::<Map<_, _>>().into();
    }
    schema
}

fn described(key: &Key) -> Value {
    let mut schema = value(key.kind);
    schema["description"] = key.about.into();
    schema
}

/// A key of a template, in which any scalar may be a parameter. What it comes to is judged where the template
/// is used.
fn parametric(key: &Key) -> Value {
    let mut schema = json!({ "anyOf": [plain(key.kind), expression()] });
    if matches!(
        key.kind,
        Kind::Mapping(_) | Kind::List(_) | Kind::Matrix | Kind::Retry | Kind::AllowFailure | Kind::WaitFor
    ) {
        schema = json!({ "type": ["object", "array", "string", "number", "boolean"] });
    }
    schema["description"] = key.about.into();
    schema
}

/// Where something else than any text is wanted, an expression may stand for it.
fn value(kind: Kind) -> Value {
    let plain = plain(kind);
    match kind {
        Kind::Boolean
        | Kind::Duration
        | Kind::Size
        | Kind::Cpus
        | Kind::Count
        | Kind::User
        | Kind::Image
        | Kind::Reference
        | Kind::Choice(_)
        | Kind::WebAddress
        | Kind::WorkspacePath
        | Kind::HostPort
        | Kind::Attempts => json!({ "anyOf": [plain, expression()] }),
        _ => plain,
    }
}

fn expression() -> Value {
    json!({ "type": "string", "pattern": "\\$\\{\\{" })
}

fn plain(kind: Kind) -> Value {
    match kind {
        Kind::Version => json!({ "const": 1 }),
        // A plain `true` is the name `true`: where text is wanted a scalar keeps its spelling.
        Kind::Name => json!({ "type": ["string", "boolean"], "pattern": "^[a-z][a-z0-9_-]{0,62}$" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Duration => json!({
            "type": "string",
            "pattern": "^(?=.*[1-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        }),
        Kind::Size => json!({ "type": "string", "pattern": "^0*[1-9][0-9]*([KMG]i?)$" }),
        Kind::Cpus => json!({ "type": "number", "exclusiveMinimum": 0, "multipleOf": 0.001 }),
        Kind::Count => json!({ "type": "integer", "minimum": 1, "maximum": 4_194_304 }),
        Kind::User => json!({ "type": ["string", "integer"], "pattern": "^[0-9]+(:[0-9]+)?$", "minimum": 0 }),
        Kind::Image => {
            json!({ "type": TEXT, "pattern": format!("^({}|{IMAGE_FILE})$", image()), "minimum": 0 })
        }
        Kind::Reference => json!({ "type": TEXT, "pattern": format!("^{}$", image()), "minimum": 0 }),
        Kind::Environment => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": text(),
        }),
        Kind::Environments => json!({
            "type": "object",
            "patternProperties": { "^x-": {} },
            "propertyNames": { "pattern": "^[a-z][a-z0-9_-]{0,62}$" },
            "additionalProperties": value(Kind::Environment),
        }),
        Kind::Chosen => unique(list(value(Kind::Name), 1)),
        Kind::Text => text(),
        Kind::Values => unique(list(text(), 1)),
        Kind::Script => json!({ "anyOf": [not_blank(), list(text(), 1)] }),
        Kind::Question => not_blank(),
        Kind::Words => list(text(), 0),
        Kind::Command | Kind::Files => list(text(), 1),
        Kind::Patterns => {
            let plain = r"^(?!\.git(/|$))(?!(.*/)?\.{0,2}(/|$))[^\x00-\x1f\x7f]+$";
            let pattern = json!({ "type": TEXT, "pattern": plain, "maxLength": patterns::LONGEST });
            let mut patterns = unique(list(pattern, 1));
            patterns["maxItems"] = patterns::MOST.into();
            patterns
        }
        Kind::Shell => json!({ "anyOf": [{ "enum": ["sh", "bash"] }, expression(), list(text(), 1)] }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Needs => json!({ "anyOf": [steps(0), { "$ref": reference(&keys::NEEDS) }] }),
        Kind::NeededSteps => steps(1),
        Kind::Step => value(Kind::Name),
        Kind::Condition => {
            json!({ "type": ["string", "boolean"], "pattern": "\\S", "maxLength": MAX_EXPRESSION })
        }
        Kind::Matrix => {
            let instances = list(value(Kind::Instance), 0);
            json!({
                "type": "object",
                // At least one key that is not free.
                "not": { "propertyNames": { "pattern": "^x-" } },
                "properties": { "exclude": instances, "include": instances },
                "patternProperties": { "^x-": {} },
                "propertyNames": { "pattern": "^[a-z][a-z0-9_-]{0,62}$" },
                "additionalProperties": value(Kind::Values),
            })
        }
        Kind::Instance | Kind::Arguments => json!({ "type": "object", "additionalProperties": text() }),
        Kind::Retry => json!({ "anyOf": [value(Kind::Attempts), { "$ref": reference(&keys::RETRY) }] }),
        Kind::Attempts => json!({ "type": "integer", "minimum": 0, "maximum": retry::MOST }),
        Kind::RetryFor => {
            let code = json!({ "type": "integer", "minimum": 1, "maximum": 255 });
            list(json!({ "anyOf": [{ "enum": retry::CLASSES }, code] }), 1)
        }
        Kind::AllowFailure => {
            json!({ "anyOf": [value(Kind::Boolean), { "$ref": reference(&keys::ALLOW_FAILURE) }] })
        }
        Kind::ExitCodes => {
            let code = json!({ "type": "integer", "minimum": 1, "maximum": 255 });
            list(json!({ "anyOf": [code, expression()] }), 1)
        }
        Kind::Services => json!({
            "type": "object",
            "patternProperties": { "^x-": {} },
            "propertyNames": { "pattern": "^[a-z][a-z0-9_-]{0,62}$", "not": { "enum": TAKEN } },
            "additionalProperties": { "$ref": reference(&keys::SERVICE) },
        }),
        Kind::Port => json!({ "type": "integer", "minimum": 1, "maximum": 65535 }),
        Kind::Line => json!({ "type": TEXT, "pattern": "^[^\n]+$" }),
        Kind::Http => {
            json!({ "type": ["string", "integer"], "pattern": "^0*[1-9][0-9]{0,4}(/[!-~]*)?$", "minimum": 1, "maximum": 65535 })
        }
        Kind::Variable => variable(),
        Kind::Secrets => secrets(&keys::SECRET),
        Kind::SecretUses => secrets(&keys::SECRET_USE),
        Kind::SecretFile => json!({
            "type": "string",
            "pattern": format!("^(?!/({})(/|$))(/(?!\\.\\.?(/|$))[^/]+)+$", secrets::NOWHERE.join("|")),
        }),
        Kind::Outputs => {
            let mut key = variable();
            key["maxLength"] = 63.into();
            let mut keys = unique(list(key, 0));
            keys["maxItems"] = outputs::MOST.into();
            keys
        }
        Kind::WaitFor => {
            let one = wait_for::AWAITED.map(|(key, _)| json!({ "required": [key] }));
            json!({ "$ref": reference(&wait_for::WAIT_FOR), "anyOf": one })
        }
        Kind::WebAddress => json!({
            "type": "string",
            "pattern": "^https?://([^/?#@:\\[\\]]+|\\[[^/?#@\\[\\]]+\\])(:0*[1-9][0-9]{0,4})?([/?][^#]*)?$",
        }),
        Kind::WorkspacePath => json!({ "type": TEXT, "pattern": "^(?!/)(?!(\\./*)*$)(?!(.*/)?\\.\\.(/|$))" }),
        Kind::HostPort => {
            json!({ "type": "string", "pattern": "^([^/@:\\[\\]]+|\\[[^/@\\[\\]]+\\]):0*[1-9][0-9]{0,4}$" })
        }
        Kind::Mapping(table) => json!({ "$ref": reference(table) }),
        Kind::List(table) => list(json!({ "$ref": reference(table) }), 1),
        Kind::Later => json!(false),
    }
}

/// The path of an image in the source, and its name where there are several.
const IMAGE_FILE: &str =
    r"\./(?!([^#]*/)?\.\.(/|#|$))(?!([.]?/)*[.]?(#|$))[^#\x00-\x1f\x7f-\x9f]+(#[^\x00-\x1f\x7f-\x9f]+)?";

/// What [`crate::image::Reference`] takes, as far as a pattern can say it.
fn image() -> String {
    let (label, port) = ("[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", ":[0-9]{1,5}");
    let more = format!("(\\.{label})");
    let host = format!("localhost|{label}{more}+|{label}{more}*{port}|\\[[0-9A-Fa-f:.]+\\]({port})?");
    let part = "[a-z0-9]([a-z0-9._-]*[a-z0-9])?";
    format!("(({host})/)?{part}(/{part})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?")
}

fn variable() -> Value {
    json!({ "type": ["string", "boolean"], "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" })
}

fn secrets(table: &Table) -> Value {
    let mut list = unique(list(json!({ "anyOf": [variable(), { "$ref": reference(table) }] }), 0));
    list["maxItems"] = secrets::MOST.into();
    list
}

fn text() -> Value {
    json!({ "type": TEXT })
}

fn not_blank() -> Value {
    json!({ "type": TEXT, "pattern": "\\S" })
}

fn list(items: Value, least: usize) -> Value {
    json!({ "type": "array", "items": items, "minItems": least })
}

/// Items of `needs`.
fn steps(least: usize) -> Value {
    unique(list(json!({ "anyOf": [value(Kind::Name), { "$ref": reference(&keys::NEED) }] }), least))
}

fn unique(mut list: Value) -> Value {
    list["uniqueItems"] = true.into();
    list
}

fn reference(table: &Table) -> String {
    format!("#/$defs/{}", table.name)
}
