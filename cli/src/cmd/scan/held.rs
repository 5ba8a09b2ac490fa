//! Literals that are values of the broker: asked by digests under a key of the question's own.

use super::report::Line;
use crate::{
    connect::{Session, ask_twice, pages},
    failure::Failure,
};
use secretref_domain::scan::{Candidate, Finding, Format, candidates, fingerprints};
use secretref_proto::v1;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// What may be a value, of all files.
pub(super) struct Question {
    key: [u8; 32],
    places: BTreeMap<[u8; 32], Vec<Place>>,
}

/// Where a digest stands.
struct Place {
    path: Arc<str>,
    range: Range<usize>,
    line: usize,
    column: usize,
}

impl Question {
    /// With a new key.
    pub(super) fn new() -> Result<Self, Failure> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| {
            let what = "the system gives no random numbers";
            Failure::usage(what, "see to /dev/urandom")
        })?;
        Ok(Self { key, places: BTreeMap::new() })
    }

    /// Takes a file in.
    pub(super) fn add(&mut self, path: &str, text: &str) {
        let shared: Arc<str> = path.into();
        for Candidate { range, digests } in candidates(text, Format::of(path, text), &self.key) {
            let (line, column) = super::position(text, range.start);
            for digest in digests {
                let (path, range) = (Arc::clone(&shared), range.clone());
                let place = Place { path, range, line, column };
                self.places.entry(digest).or_default().push(place);
            }
        }
    }

    /// What the broker says of some digests; of versions with one value the current one first.
    async fn matches(
        &self,
        session: &Session<'_>,
        part: &[&[u8; 32]],
    ) -> Result<Vec<v1::SecretMatch>, Failure> {
        let digests: Vec<Vec<u8>> = part.iter().map(|digest| digest.to_vec()).collect();
        let client = session.secrets().await?;
        let mut matches = pages(|page_token| {
            let request = v1::MatchSecretsRequest {
                key: self.key.to_vec(),
                digests: digests.clone(),
                page_token,
            };
            let client = &client;
            async move {
                let answer = ask_twice(|| {
                    let (mut client, request) = (client.clone(), request.clone());
                    async move { client.match_secrets(request).await }
                });
                let answer = answer.await?;
                Ok((answer.matches, answer.next_page_token))
            }
        })
        .await?;
        matches.sort_by_key(|held| (!held.current, std::cmp::Reverse(held.version)));
        Ok(matches)
    }

    /// Asks the broker, and puts what it knows in place of what was found there without it.
    pub(super) async fn ask(
        self,
        session: &Session<'_>,
        lines: &mut Vec<Line>,
    ) -> Result<(), Failure> {
        let digests: Vec<&[u8; 32]> = self.places.keys().collect();
        let mut found = Vec::new();
        for part in digests.chunks(DIGESTS_MAX) {
            for held in self.matches(session, part).await? {
                let index = usize::try_from(held.index).unwrap_or(usize::MAX);
                let Some(places) = part.get(index).and_then(|digest| self.places.get(*digest))
                else {
                    continue;
                };
                for Place { path, range, line, column } in places {
                    let (path, line, column) = (path.to_string(), *line, *column);
                    let finding = Finding::held(range.clone(), held.name.clone(), held.version);
                    let fingerprints = fingerprints(&path, std::slice::from_ref(&finding));
                    let fingerprint = fingerprints.into_iter().next().unwrap_or_default();
                    found.push(Line { path, line, column, finding, fingerprint });
                }
            }
        }
        lines.retain(|line| {
            let same = |it: &&Line| it.path == line.path;
            !found.iter().filter(same).any(|it| it.finding.touches(&line.finding.range))
        });
        found.sort_by_key(|line| (line.path.clone(), line.finding.range.start));
        // A literal that reads in two ways is one, and so is one of several versions.
        found.dedup_by(|one, other| {
            one.path == other.path && one.finding.range == other.finding.range
        });
        lines.append(&mut found);
        lines.sort_by(|one, other| {
            (&one.path, one.line, one.column).cmp(&(&other.path, other.line, other.column))
        });
        Ok(())
    }
}

/// Digests of one question.
const DIGESTS_MAX: usize = 8_192;
