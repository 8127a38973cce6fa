//! `windlass explain`.

use crate::base::Reason;
use crate::cli::args::Explain;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::config;
use crate::frontend::codes;
use crate::report::reasons;

/// Says what a code of a diagnostic or the word of a reason means.
pub(in crate::cli) fn explain(args: &Explain) -> Exit {
    let asked = args.code.trim();
    if let Some(text) = code(asked).or_else(|| reason(asked)) {
        return output::data(&text);
    }
    output::error(&format!("there is no code or reason `{asked}`"), Some(&help(asked)));
    Exit::Usage
}

fn code(asked: &str) -> Option<String> {
    let asked = asked.to_ascii_uppercase();
    if asked == config::CODE {
        return Some(format!("{asked}: the settings are not valid\n\n{}\n", config::EXPLANATION));
    }
    let found = codes::Code::find(&asked)?;
    Some(format!("{}: {}\n\n{}\n", found.code, found.title, found.explanation))
}

fn reason(asked: &str) -> Option<String> {
    // As on the wire, or as in a sentence: `exit_code`, `exit code`.
    let word = asked.to_ascii_lowercase().replace([' ', '-'], "_");
    let found = Reason::ALL.iter().copied().find(|reason| reason.word() == word)?;
    Some(format!("{found}: {}\n\n{}\n", reasons::covered_by(found), reasons::explanation(found)))
}

fn help(asked: &str) -> String {
    let codes = codes::ALL.iter().map(|code| code.code).chain([config::CODE]);
    let known = codes.chain(Reason::ALL.iter().map(|reason| reason.word()));
    let lower = asked.to_ascii_lowercase();
    let near = known
        .map(|word| (strsim::osa_distance(&lower, &word.to_ascii_lowercase()), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= word.len() / 3);
    match near {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None => "a code looks like `W0121`, a reason like `exit_code`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_every_reason_is_explained() {
        for known in codes::ALL {
            assert!(code(known.code).is_some_and(|text| text.contains(known.explanation)), "{}", known.code);
        }
        for known in Reason::ALL {
            let text = reason(known.word()).expect("the word is known");
            assert!(text.contains(known.outcome().word()) && text.lines().count() == 3, "{text}");
        }
    }

    #[test]
    fn words_are_found_as_people_write_them() {
        assert!(code("w0121").is_some() && code("w0901").is_some() && reason("Exit code").is_some());
        assert_eq!(help("W012l"), "did you mean `W0121`?");
        assert_eq!(help("exitcode"), "did you mean `exit_code`?");
        assert!(help("nothing like it").contains("W0121"));
    }
}
