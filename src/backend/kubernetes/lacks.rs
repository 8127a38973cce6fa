//! What a cluster cannot do or hold to, whichever it is: known without asking one.

use super::options::Options;
use crate::backend::lacks::{Feature, Lack, NO_HOST};

const ALWAYS: [Lack; 6] = [
    NO_HOST,
    Lack {
        feature: Feature::ImageFile,
        why: "the nodes of a cluster fetch images from registries alone",
        help: "push it to a registry, or run it on Docker",
    },
    Lack {
        feature: Feature::OwnProgram,
        why: "a cluster does not say what that is, so that the helper cannot start it",
        help: "name the program, `run:` or `command: [PROGRAM, …]`, or run it on Docker",
    },
    Lack {
        feature: Feature::Pids,
        why: "on a cluster that is the kubelet's to set, for all pods alike (`podPidsLimit`)",
        help: "leave `pids` out, or run it on Docker",
    },
    Lack {
        feature: Feature::NoNetwork,
        why: "that takes a network policy, which a cluster may not enforce",
        help: "leave `network` out, or run it on Docker",
    },
    Lack {
        feature: Feature::OwnCheck,
        why: "a cluster does not say what their images' own checks are",
        help: "say when with `ready`",
    },
];

/// What pods lack besides that never have root in them.
const RESTRICTED: [Lack; 1] = [Lack {
    feature: Feature::NamedUser,
    why: "restricted pods have a user with a number, and never root",
    help: "write `user: UID` or `user: UID:GID`, or leave `restricted` out of the settings",
}];

/// What pods that are made like this lack.
pub fn lacks(options: &Options) -> Vec<Lack> {
    let restricted = RESTRICTED.into_iter().filter(|_| options.restricted);
    ALWAYS.into_iter().chain(restricted).collect()
}
