//! Newtype ids, so that a step's id is never passed where a run's is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps text that is already known to be a valid id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }
    };
}

id! {
    /// One execution of a plan: a ULID in lower case, so that ids sort by time and fit container names.
    RunId
}
id! {
    /// A stage within a plan, unique there.
    StageId
}
id! {
    /// A step within a plan, unique there; a matrix instance carries its number (`unit-2`).
    StepId
}
id! {
    /// One state directory; objects of other instances are never touched.
    InstanceId
}

impl RunId {
    /// Makes a fresh id for a run that starts now.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate().to_string().to_lowercase())
    }
}

impl InstanceId {
    /// Makes a fresh id for a new state directory.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate().to_string().to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_lower_case_and_26_characters() {
        let id = RunId::generate();
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(id.as_str(), id.as_str().to_lowercase());
    }
}
