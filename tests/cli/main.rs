//! The program itself, from the outside, as far as it needs no container.

mod bad_input;
mod clean;
mod examples;
mod help;
mod kubernetes;
mod no_docker;
mod pages;
mod runner;
mod secrets;
mod settings;
mod signals;
mod support;
mod trust;
mod vars;

#[path = "../lib/executable.rs"]
mod executable;
