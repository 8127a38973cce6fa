//! What a step or a service runs in (language L20): a registry reference, an image of the source, or `host`.
//!
//! Whether an image of the source is there is asked now; what is in it shows when it is used.

use super::read::{Field, Fields, Reader};
use super::step::Defaults;
use crate::base::{Span, glob};
use crate::frontend::{codes, shown};
use crate::image::Reference;
use crate::plan::{Image, ImageFile, Part, Text};

impl Reader<'_> {
    pub(super) fn step_image(
        &mut self,
        fields: &Fields<'_, '_>,
        name: Option<(&str, Span)>,
        defaults: &Defaults,
    ) -> Image {
        let own = fields.get("image");
        let image = match own {
            Some(field) => self.image(field),
            None => defaults.image.clone(),
        };
        if fields.lacks("image") && !defaults.has_image {
            let (name, span) = name.map_or(("?", fields.span), |(name, span)| (name, span));
            let message = format!("step `{name}` has no image");
            let help = "give it an `image`, or all steps one: `defaults: { image: … }`";
            self.error(codes::NO_IMAGE, span, message, help);
        }
        image.unwrap_or(Image::Host)
    }

    pub(super) fn image(&mut self, field: Field<'_, '_>) -> Option<Image> {
        let resolved = self.late_text(field, "an image such as `rust:1.95`")?;
        let text = match resolved.text {
            Text::Known(text) => text,
            late @ Text::Late(_) => return self.late_image(field, late),
        };
        if text == "host" {
            return Some(Image::Host);
        }
        if resolved.as_written {
            return Some(Image::Reference(Text::Known(text)));
        }
        if is_path(&text) {
            return self.image_file(field, &text);
        }
        let Err(wrong) = Reference::parse(&text) else { return Some(Image::Reference(Text::Known(text))) };
        let message = format!("{} is not an image", shown(&text));
        let help = format!(
            "{wrong}: a registry reference such as `rust:1.95` or `host:5000/team/tool:2`, a path of the source \
             such as `./ci/tool.tar`, or `host`"
        );
        self.error(codes::BAD_IMAGE, field.node.span, message, help);
        None
    }

    /// An output can name what a registry has, and nothing in the source.
    fn late_image(&mut self, field: Field<'_, '_>, late: Text) -> Option<Image> {
        if let Text::Late(parts) = &late
            && let Some(Part::Literal(begin)) = parts.first()
            && is_path(begin)
        {
            let message = "an image of the source that an output is to name";
            let help = "such an image is looked for before anything starts; write its path out";
            self.error(codes::NO_IMAGE_FILE, field.node.span, message, help);
            return None;
        }
        Some(Image::Reference(late))
    }

    /// Reads `./PATH` or `./PATH#NAME`, and asks the source whether something is there.
    fn image_file(&mut self, field: Field<'_, '_>, text: &str) -> Option<Image> {
        let (written, name) = match text.split_once('#') {
            Some((path, name)) => (path, Some(name.to_owned())),
            None => (text, None),
        };
        let parts = || written.split('/').filter(|part| !matches!(*part, "" | "."));
        let path = parts().collect::<Vec<_>>().join("/");
        let problem = if written.starts_with('/') || parts().any(|part| part == "..") {
            Some("it leads out of the source")
        } else if path.is_empty() || path.contains(char::is_control) {
            Some("it is no path of a file or directory")
        } else if name.as_ref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
            Some("`#` is followed by no name")
        } else {
            None
        };
        if let Some(problem) = problem {
            let message = format!("{} is not an image of the source", shown(text));
            let help = format!(
                "{problem}: write the path of an OCI layout or a saved archive from the source's root, such as \
                 `./ci/tool.tar`, and `#NAME` after it where it holds several"
            );
            self.error(codes::NO_IMAGE_FILE, field.node.span, message, help);
            return None;
        }
        let file = glob::literal(&path);
        match self.scope.files().exist(&[format!("{file}/**"), file]) {
            Ok(true) => Some(Image::File(ImageFile { path, name })),
            Ok(false) => {
                let message = format!("there is no {} in the source", shown(text));
                let help =
                    "the path is from the source's root, and what git ignores is no part of the source";
                self.error(codes::NO_IMAGE_FILE, field.node.span, message, help);
                None
            }
            Err(why) => {
                let message = format!("cannot look for {}", shown(text));
                self.error(codes::NO_IMAGE_FILE, field.node.span, message, why);
                None
            }
        }
    }
}

/// Whether an image is meant as a path. No reference begins with a dot or a slash.
fn is_path(text: &str) -> bool {
    ["./", "../", "/"].iter().any(|begin| text.starts_with(begin)) || matches!(text, "." | "..")
}
