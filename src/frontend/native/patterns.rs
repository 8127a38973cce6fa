//! The files that a step has substituted (language L30).

use super::read::{Field, Reader};
use crate::base::glob;
use crate::frontend::{codes, shorten};

/// How many patterns a step has at most.
pub(super) const MOST: usize = 64;
/// Bytes of a pattern.
pub(super) const LONGEST: usize = 1024;

impl Reader<'_> {
    pub(super) fn patterns(&mut self, field: Field<'_, '_>) -> Vec<String> {
        const EXAMPLE: &str = "write `substitute: ['deploy/*.yaml']`";
        let items: Vec<_> = self.items(field, "a list of patterns", EXAMPLE).collect();
        self.at_least_one(
            field,
            "name the files in which values take the place of `${name}`, or remove the key",
        );
        if items.len() > MOST {
            let message = format!("the step has {} patterns of files", items.len());
            let help = format!("there are at most {MOST}; one pattern can stand for many files: 'deploy/**'");
            self.error(codes::BAD_PATTERN, field.node.span, message, help);
            return Vec::new();
        }
        let mut patterns: Vec<String> = Vec::new();
        for item in items {
            let Some(pattern) = self.text(item, "a pattern of files, such as `deploy/*.yaml`") else {
                continue;
            };
            let mistake = if pattern.len() > LONGEST {
                Some((
                    format!("this pattern has {} bytes", pattern.len()),
                    format!("it has at most {LONGEST}"),
                ))
            } else if pattern.contains(char::is_control) {
                let help = "`?` stands for any one character".to_owned();
                Some(("this pattern holds a control character".to_owned(), help))
            } else if let Some(mistake) = glob::mistake(&pattern) {
                Some((mistake, EXAMPLE.to_owned()))
            } else if pattern.split('/').next() == Some(".git") {
                let help = "the repository itself is left alone; name files beside `.git`".to_owned();
                Some((format!("`{}` is in `.git`", shorten(&pattern)), help))
            } else if patterns.iter().any(|known| *known == pattern) {
                let message = format!("the step substitutes in `{}` twice", shorten(&pattern));
                Some((message, "remove one of them".to_owned()))
            } else {
                None
            };
            match mistake {
                Some((message, help)) => self.error(codes::BAD_PATTERN, item.node.span, message, help),
                None => patterns.push(pattern.into_owned()),
            }
        }
        patterns
    }
}
