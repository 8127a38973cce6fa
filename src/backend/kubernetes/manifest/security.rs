//! What a container may do, and as whom it begins.

use serde_json::{Value, json};

use super::{Options, put};
use crate::backend::ContainerSpec;

/// The one security option of Docker's that a pod can have.
pub(in super::super) const UNCONFINED: &str = "seccomp=unconfined";

/// What the container may do, and as whom it begins: where it is the helper that does (`is_helper`), as root if another
/// user is asked for, whom it then becomes. The image's own user is known to the runtime alone.
pub(super) fn security(options: &Options, spec: &ContainerSpec, is_helper: bool) -> Value {
    let (own, group) = own_user(options, spec);
    let becomes = is_helper && !options.restricted && spec.user.is_some();
    let mut context = context(options, if becomes { Some(0) } else { own });
    put(&mut context, "runAsGroup", group.filter(|_| !becomes));
    let asked = &spec.privileges;
    put(&mut context, "allowPrivilegeEscalation", spec.no_new_privileges.then_some(false));
    put(&mut context, "privileged", asked.privileged.then_some(true));
    if !asked.capabilities.is_empty() {
        put(&mut context, "capabilities", Some(json!({"add": asked.capabilities})));
    }
    if asked.security_options.iter().any(|option| option == UNCONFINED) {
        put(&mut context, "seccompProfile", Some(json!({"type": "Unconfined"})));
    }
    context
}

/// The numbers of the user and the group that a container's program is to have, as far as they are known.
pub(super) fn own_user(options: &Options, spec: &ContainerSpec) -> (Option<i64>, Option<i64>) {
    let mut numbers = spec.user.iter().flat_map(|user| user.split(':')).map(|part| part.parse::<i64>().ok());
    let (user, group) = (numbers.next().flatten(), numbers.next().flatten());
    (user.or(options.user.filter(|_| options.restricted)), group)
}

/// What a container is allowed and denied whatever it asks for.
pub(super) fn context(options: &Options, user: Option<i64>) -> Value {
    let mut context = json!({"seccompProfile": {"type": "RuntimeDefault"}});
    if options.restricted {
        put(&mut context, "runAsNonRoot", Some(true));
        put(&mut context, "allowPrivilegeEscalation", Some(false));
        put(&mut context, "capabilities", Some(json!({"drop": ["ALL"]})));
    }
    put(&mut context, "runAsUser", user);
    put(&mut context, "runAsGroup", user.filter(|user| *user == 0));
    context
}
