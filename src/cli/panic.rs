//! What is printed when windlass itself is at fault.

use std::panic;

use super::output;

/// Has every panic say which version it is and where to report it.
pub(super) fn install() {
    panic::set_hook(Box::new(|what| {
        let place = what.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let payload = what.payload_as_str().unwrap_or("no message");
        output::error(
            &format!("windlass {} broke down{place}: {payload}", env!("CARGO_PKG_VERSION")),
            Some(
                "this is a bug in windlass; please report it with the line above (SECURITY.md and README.md say where)",
            ),
        );
    }));
}
