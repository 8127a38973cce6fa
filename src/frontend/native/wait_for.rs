//! What a step waits for beside other steps (language L33).

use std::time::Duration;

use super::keys::{Kind, Table, key};
use super::read::{Field, Reader};
use super::services::{Around, Services};
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shown};
use crate::plan::{Awaited, Text, WaitFor, host_and_port};

/// How long a step waits when the file does not say.
const TIMEOUT: Duration = Duration::from_mins(10);
const HELP: &str =
    "write one of `image`, `url`, `file` and `port`: `wait_for: { url: https://shop.example/health }`";

/// The keys that name what is waited for.
pub(super) const AWAITED: [(&str, Awaited); 4] =
    [("image", Awaited::Image), ("url", Awaited::Url), ("file", Awaited::File), ("port", Awaited::Port)];

pub(super) static WAIT_FOR: Table = Table {
    name: "wait_for",
    noun: "`wait_for`",
    about: "Something that has to be there before the step starts.",
    keys: &[
        key("image", Kind::Reference, "An image that a registry or the engine has.").also(&["registry"]),
        key(
            "url",
            Kind::WebAddress,
            "An http or https address that answers a GET with 2xx, asked from here.",
        )
        .also(&["http", "https"]),
        key("file", Kind::WorkspacePath, "A path of the workspace at which something is.").also(&["path"]),
        key("port", Kind::HostPort, "`HOST:PORT` that accepts TCP connections, asked from here.")
            .also(&["tcp", "host"]),
        key("timeout", Kind::Duration, "How long it may take; 10m when left out.").also(&["deadline"]),
    ],
    clashes: &[
        ("image", "url"),
        ("image", "file"),
        ("image", "port"),
        ("url", "file"),
        ("url", "port"),
        ("file", "port"),
    ],
    requires: &[],
};

impl Reader<'_> {
    /// Reads `wait_for` of a step with these services.
    pub(super) fn wait_for(
        &mut self,
        field: Field<'_, '_>,
        own: &Services,
        around: &Around,
    ) -> Option<WaitFor> {
        let fields = self.fields(&WAIT_FOR, field);
        let timeout = fields.get("timeout").and_then(|field| self.duration(field)).unwrap_or(TIMEOUT);
        let found = AWAITED.into_iter().find_map(|(key, kind)| Some((kind, fields.get(key)?)));
        let Some((kind, named)) = found else {
            let all_missing = AWAITED.iter().all(|(key, _)| fields.lacks(key));
            if all_missing && matches!(field.node.value, Value::Map(_)) {
                self.error(codes::BAD_WAIT, field.node.span, "`wait_for` waits for nothing", HELP);
            }
            return None;
        };
        let resolved = self.late_text(named, "text")?;
        if let Text::Known(what) = &resolved.text
            && !resolved.as_written
        {
            if let Some(problem) = kind.problem(what) {
                let message = format!("{} cannot be waited for as `{}`", shown(what), named.key);
                self.error(codes::BAD_WAIT, named.node.span, message, problem);
            } else if let (Awaited::Port, Ok((host, port))) = (kind, host_and_port(what))
                && (own.has(host) || around.has(host))
            {
                let message = format!("`{host}` is a service, and the step starts only once that is ready");
                let help =
                    format!("say there when it is: `ready: {{ port: {port} }}`, and remove `wait_for`");
                self.error(codes::BAD_WAIT, named.node.span, message, help);
            }
        }
        Some(WaitFor { kind, what: resolved.text, timeout })
    }
}
