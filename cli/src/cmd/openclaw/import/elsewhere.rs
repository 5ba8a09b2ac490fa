//! The values that refs to other sources mean: variables of a `.env` file, and files that the
//! configuration's providers name, and what its programs answer where they may be asked.
//! `OpenClaw`'s store is not opened.

use super::{
    super::{
        files::{Opened, parse},
        survey::{Held, Place},
    },
    programs::Programs,
};
use crate::{
    cmd::import::{FILE_BYTES_MAX, dotenv, read},
    failure::Failure,
};
use secretref_domain::{
    openclaw::{
        targets::File,
        text::{Document, Kind, Node},
        value::{Ref, Source, Standing, plaintext, standing},
    },
    value::SecretValue,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where other sources are.
pub(super) struct Elsewhere<'f> {
    config: Option<&'f Document>,
    variables: Vec<dotenv::Variable>,
    environment: PathBuf,
    programs: Programs,
}

impl<'f> Elsewhere<'f> {
    /// Reads the file of variables, where it is there.
    pub(super) fn new(files: &'f [Opened], environment: PathBuf) -> Result<Self, Failure> {
        let config = files.iter().find(|it| it.kind == File::Config).map(|it| &it.document);
        let variables = match fs::File::open(&environment) {
            Err(_) => Vec::new(),
            Ok(file) => {
                let shown = environment.display();
                let bytes = read(file, FILE_BYTES_MAX);
                let bytes =
                    bytes.map_err(|error| super::super::files::unreadable(&environment, &error))?;
                let text = str::from_utf8(&bytes).map_err(|_| {
                    Failure::usage(format!("{shown} is not UTF-8"), "name another --env-file")
                })?;
                dotenv::parse(text).map_err(|problems| {
                    Failure::usages(problems.into_iter().map(|it| {
                        (format!("{shown}, line {}: {}", it.line, it.what), it.fix.to_owned())
                    }))
                })?
            }
        };
        Ok(Self { config, variables, environment, programs: Programs::default() })
    }

    /// Asks the programs that refs of these places name.
    pub(super) async fn ask_programs(&mut self, places: &[Place<'_>]) {
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for place in places {
            if let Held::Foreign { reference, .. } = &place.held
                && reference.source == Source::Exec
            {
                let ids = wanted.entry(self.provider(reference, "exec")).or_default();
                ids.insert(reference.id.clone());
            }
        }
        self.programs = Programs::ask(self.config, wanted).await;
    }

    /// The provider that a ref names, or that its source has where it names none.
    fn provider(&self, reference: &Ref, source: &str) -> String {
        let default = || self.text(&["secrets", "defaults", source]);
        reference.provider.clone().or_else(default).unwrap_or_else(|| "default".to_owned())
    }

    /// The value that a ref means, or why it is not known.
    pub(super) fn value(&self, reference: &Ref) -> Result<SecretValue, String> {
        match reference.source {
            Source::Env => self.variable(&reference.id),
            Source::File => self.in_file(reference),
            Source::Exec => self.programs.value(&self.provider(reference, "exec"), &reference.id),
            Source::Store => Err("OpenClaw's own store is not opened; put it by hand".to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Result<SecretValue, String> {
        let found = self.variables.iter().find(|it| it.name.as_str() == name);
        let found = found.ok_or_else(|| {
            format!("{name} is not in {}; name its file: --env-file", self.environment.display())
        })?;
        SecretValue::new(found.value.as_ref().to_vec()).map_err(|error| error.to_string())
    }

    fn in_file(&self, reference: &Ref) -> Result<SecretValue, String> {
        let unknown = || "the configuration has no such provider".to_owned();
        let alias = self.provider(reference, "file");
        let of = |key: &str| self.text(&["secrets", "providers", &alias, key]);
        let path = of("path").ok_or_else(unknown)?;
        let path = Path::new(&path);
        if !path.is_absolute() {
            return Err(format!("the path of provider {alias} is not absolute"));
        }
        let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let bytes = read(file, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
        if of("mode").as_deref() == Some("singleValue") {
            let text = str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
            let text = text.trim_end_matches(['\r', '\n']).as_bytes().to_vec();
            return SecretValue::new(text).map_err(|error| error.to_string());
        }
        let document = parse(path, &bytes).map_err(|failure| failure.first().0)?;
        let node = pointed(document.root(), &reference.id)
            .ok_or_else(|| format!("{} has no {}", path.display(), reference.id))?;
        match standing(&document, node) {
            Standing::Plaintext => plaintext(&document, node).map_err(|error| error.to_string()),
            _ => Err(format!("{} has no value at {}", path.display(), reference.id)),
        }
    }

    /// A string of the configuration.
    fn text(&self, path: &[&str]) -> Option<String> {
        let config = self.config?;
        let node = path.iter().try_fold(config.root(), |node, key| Some(&node.member(key)?.value));
        config.string(node?).map(|text| text.to_string())
    }
}

/// What a pointer (RFC 6901) points at.
fn pointed<'d>(root: &'d Node, pointer: &str) -> Option<&'d Node> {
    let steps = pointer.strip_prefix('/')?.split('/');
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).try_fold(root, |node, step| {
        match &node.kind {
            Kind::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.member(&step).map(|member| &member.value),
        }
    })
}
