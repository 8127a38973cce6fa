//! The user's settings: `$XDG_CONFIG_HOME/windlass/config.toml`, else `~/.config/windlass/config.toml`.
//!
//! Owns what may stand in the file and where it is; what it says is in `docs/settings.md`. It never
//! decides what a container may have, and never looks at what a setting names. A repository has
//! no settings: what its author writes is never read here.

mod allow;
mod error;
mod kubernetes;
mod read;
mod secret;

pub use allow::Allow;
pub use error::SettingsError;
pub use kubernetes::{Kubernetes, Toleration};
pub use secret::SecretCommand;

/// The code of everything that is wrong with the settings.
pub const CODE: &str = "W0901";
/// What it means and what to do.
pub const EXPLANATION: &str = "Something in your settings file is not known, or not as it should be; the message has its line. Nothing runs until it is mended, since the settings may have said what must not be. What may stand there is in docs/settings.md.";

/// What the user has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What goes beyond an ordinary container and is allowed all the same; one entry a repository and
    /// image, in the order of the file.
    pub allow: Vec<Allow>,
    /// Commands that give secrets, in the order of the file; the first of a name and repository counts.
    pub secrets: Vec<SecretCommand>,
    /// How a cluster is to be used.
    pub kubernetes: Kubernetes,
}

#[cfg(test)]
mod tests;
