//! `windlass run`.

use std::io;
use std::time::Instant;

use crate::cli::args::{Backend, Output, Run};
use crate::cli::exit::Exit;
use crate::cli::gates::Terminal;
use crate::cli::signal::Signals;
use crate::cli::{failure, output, secrets, suspend};
use crate::config::Settings;
use crate::engine;
use crate::report::{Ndjson, Notices, Plain, Raw, Reader, ReaderFailure, Style};
use crate::runner::{self, Approval, Home, Made, Prepared, Request, Target};

/// Runs a pipeline, or one command in one container.
pub(in crate::cli) async fn run(args: Run) -> Exit {
    // From here on a signal is a request, whatever is going on.
    let (handle, cancel) = engine::cancel();
    let made = Made::default();
    let signals = match suspend::listen().and_then(|()| Signals::listen(handle, made.clone())) {
        Ok(signals) => signals,
        Err(error) => return failure::no_signals(&error),
    };
    let request = match request(&args, made) {
        Ok(request) => request,
        Err(exit) => return exit,
    };
    let home = match Home::open() {
        Ok(home) => home,
        Err(error) => return failure::home(&error),
    };
    let backend = match args.backend {
        Backend::Docker => runner::docker(&home),
        Backend::Kubernetes => runner::kubernetes(&home, &request.settings),
    };
    let began = Instant::now();
    let prepared = match runner::prepare(&home, request, backend, cancel).await {
        Ok(prepared) => prepared,
        Err(not_run) => return failure::not_run(&not_run, signals.exit()),
    };
    if let Some((text, found)) = prepared.warnings() {
        failure::diagnostics(text, found);
    }
    if args.verbose {
        output::note(format_args!(
            "run {} prepared in {:.3}s",
            prepared.run_id(),
            began.elapsed().as_secs_f64()
        ));
        output::note(format_args!("record: {}", prepared.record().display()));
    }
    let mut readers = readers(&args, &prepared);
    readers.push(signals.reader());
    match prepared.run(readers).await {
        Ok(finished) => {
            for failure in &finished.failures {
                output::warning(&failure.to_string(), None);
            }
            failure::left(&finished.left);
            match Exit::of_run(&finished.state, signals.exit(), args.propagate_exit) {
                Exit::Passed if args.output.is_some() && finished.failures.iter().any(is_output) => {
                    Exit::OutputFailed
                }
                exit => exit,
            }
        }
        Err(not_run) => failure::not_run(&not_run, signals.exit()),
    }
}

/// Whether it is what was asked for on standard output that could not be written.
fn is_output(failure: &ReaderFailure) -> bool {
    matches!(failure.reader, "plain" | "ndjson")
}

fn request(args: &Run, made: Made) -> Result<Request, Exit> {
    let target = if let Some(image) = &args.image {
        Target::Image { image: image.clone(), command: args.command.clone() }
    } else {
        let source = args.pipeline.source(args.in_place).map_err(|(message, help)| {
            output::error(message, Some(help));
            Exit::Usage
        })?;
        Target::Pipeline { source, file: args.pipeline.file.clone() }
    };
    let choice = failure::choice(&args.chosen)?;
    let settings = Settings::read().map_err(|error| failure::settings(&error))?;
    Ok(Request {
        choice,
        jobs: args.jobs,
        log_limit: args.log_limit,
        keep_going: args.keep_going,
        approval: Approval { names: args.approve.clone(), ask: Terminal::there() },
        settings,
        made,
        secret_sources: secrets::sources(&args.secret_file).map_err(|error| failure::secret_file(&error))?,
        ..Request::new(target)
    })
}

/// What shows the run. What is not the run's own output goes to standard error in any case.
fn readers(args: &Run, prepared: &Prepared) -> Vec<Box<dyn Reader>> {
    let (out, err) = (output::stream(io::stdout()), output::stream(io::stderr()));
    let style = |color| Style { color, ..Style::default() };
    let notices = Notices::new(prepared.plan(), err, style(output::colors(&io::stderr())));
    let shown: Box<dyn Reader> = match (args.output, &args.image) {
        (Some(Output::Json), _) => Box::new(Ndjson::new(out)),
        (None, Some(_)) => Box::new(Raw::new(out, output::stream(io::stderr()))),
        (Some(Output::Plain), _) | (None, None) => {
            Box::new(Plain::new(prepared.plan(), out, style(output::colors(&io::stdout()))))
        }
    };
    vec![shown, Box::new(notices)]
}
