//! The wrong certificates, each with what is wrong with it. Each is the certificate of a real
//! instance of a real agent (or of a real administrator), with its serial number and under its
//! issuer, but for the one thing.

use super::{
    Port, Row, Stop,
    der::{
        Draft, Signer, common_name, curve, extension, generalized, names, purposes, rsa, seq,
        standard, time, tlv, uri, utc,
    },
    keepers::Authority,
};
use anyhow::Result;
use secretref_identity::{credentials::PrivateKey, request::CertificateRequest};

/// What the rows are made from.
pub(super) struct Real<'a> {
    pub(super) authority: &'a Authority,
    /// Of the agent's instance and of the administrator.
    pub(super) agent: &'a Draft,
    pub(super) admin: &'a Draft,
    pub(super) agent_uri: &'a str,
    pub(super) admin_uri: &'a str,
    pub(super) agent_leaf: &'a [u8],
    pub(super) admin_leaf: &'a [u8],
    pub(super) server_leaf: &'a [u8],
    /// The agent's key in PKCS#8, by which a leaf could sign.
    pub(super) agent_key: &'a [u8],
    /// Now, in seconds since the epoch.
    pub(super) now: i64,
}

impl Real<'_> {
    /// All of them.
    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        let mut rows = self.issuers()?;
        rows.extend(self.signatures()?);
        rows.extend(self.dates()?);
        rows.extend(self.shapes()?);
        rows.extend(self.serials()?);
        rows.extend(self.purposes()?);
        rows.extend(self.extensions()?);
        rows.extend(self.names()?);
        rows.extend(self.uris()?);
        rows.extend(self.keys()?);
        rows.extend(self.administrators()?);
        Ok(rows)
    }

    fn row(&self, name: &str, stop: Stop, leaf: Vec<u8>) -> Row {
        let chain = vec![leaf, self.authority.agents.certificate.clone()];
        Row { name: name.to_owned(), port: Port::Agents, stop, chain }
    }

    /// The agent's certificate with one change, under its right issuer.
    fn with(&self, name: &str, stop: Stop, change: impl FnOnce(&mut Draft)) -> Result<Row> {
        let mut draft = self.agent.clone();
        change(&mut draft);
        Ok(self.row(name, stop, draft.sign(&self.authority.agents)?))
    }

    fn issuers(&self) -> Result<Vec<Row>> {
        let Authority { root, agents, admins, servers } = self.authority;
        let signed = |name: &str, by: &Signer, above: &[&[u8]]| -> Result<Row> {
            let draft = Draft { issuer: by.name()?, ..self.agent.clone() };
            let leaf = draft.sign(by)?;
            let chain = [&[&*leaf], above].concat();
            let chain = chain.into_iter().map(<[u8]>::to_vec).collect();
            Ok(Row { name: name.to_owned(), port: Port::Agents, stop: Stop::Chain, chain })
        };
        let stranger = |like: &Signer| -> Result<Signer> {
            let key = PrivateKey::generate()?.expose_der().to_vec();
            Ok(Signer { certificate: like.certificate.clone(), key })
        };
        let own = |certificate: &[u8]| Signer {
            certificate: certificate.to_vec(),
            key: self.agent_key.to_vec(),
        };
        let below = self.below(&[])?;
        let constrained = self.below(&standard(30, true, &constraint("stories.test")))?;
        let elsewhere = self.below(&standard(30, false, &constraint("other.test")))?;
        Ok(vec![
            signed("signed by its own key", &own(self.agent_leaf), &[])?,
            signed("signed by its own key, as its issuer", &own(&agents.certificate), &[])?,
            signed("of a namesake of the issuer", &stranger(agents)?, &[&agents.certificate])?,
            signed("of a namesake of the root", &stranger(root)?, &[&root.certificate])?,
            signed("straight from the root", root, &[&root.certificate])?,
            signed("of the administrators' issuer", admins, &[&admins.certificate])?,
            signed("of the servers' issuer", servers, &[&servers.certificate])?,
            signed(
                "of an authority below the issuer, whose path length is 0",
                &below,
                &[&below.certificate, &agents.certificate],
            )?,
            signed("of an authority below, which is not shown", &below, &[&agents.certificate])?,
            signed(
                "of an authority below with name constraints that fit",
                &constrained,
                &[&constrained.certificate, &agents.certificate],
            )?,
            signed(
                "of an authority below with name constraints that do not fit",
                &elsewhere,
                &[&elsewhere.certificate, &agents.certificate],
            )?,
            signed(
                "of another leaf",
                &own(self.agent_leaf),
                &[self.agent_leaf, &agents.certificate],
            )?,
            self.row("the issuer itself", Stop::Chain, agents.certificate.clone()),
            self.row("the root itself", Stop::Chain, root.certificate.clone()),
            self.row("an administrator's", Stop::Chain, self.admin_leaf.to_vec()),
            self.row("the broker's own", Stop::Chain, self.server_leaf.to_vec()),
        ])
    }

    /// An authority that the agents' issuer signed, against its path length.
    fn below(&self, constraints: &[u8]) -> Result<Signer> {
        let CertificateRequest { key, der } = CertificateRequest::generate()?;
        let public = secretref_identity::request::parse_request(&der)?;
        let draft = Draft {
            subject: common_name("below"),
            key: public.spki_der().to_vec(),
            names: Vec::new(),
            usage: standard(15, true, &[0x03, 0x02, 0x02, 0x04]),
            basic: standard(19, true, &[0x30, 3, 1, 1, 0xff]),
            more: constraints.to_vec(),
            ..self.agent.clone()
        };
        let certificate = draft.sign(&self.authority.agents)?;
        Ok(Signer { certificate, key: key.expose_der().to_vec() })
    }

    fn signatures(&self) -> Result<Vec<Row>> {
        let Authority { agents, .. } = self.authority;
        let real = self.agent.sign(agents)?;
        let mut flipped = real.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let body = Draft { serial: tlv(2, &[0x42; 16]), ..self.agent.clone() }.body();
        let algorithm = &self.agent.outer_algorithm;
        let borrowed = agents.sign(&self.agent.body())?;
        let unsigned =
            |signature: &[u8]| seq(&[&self.agent.body(), algorithm, &super::der::bits(signature)]);
        let sha1 = seq(&[&tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1])]);
        let none = seq(&[&tlv(6, &[0x2a, 0x03])]);
        Ok(vec![
            self.row("a bit of the signature flipped", Stop::Chain, flipped),
            self.row(
                "the signature of another certificate",
                Stop::Chain,
                seq(&[&body, algorithm, &super::der::bits(&borrowed)]),
            ),
            self.row("no signature", Stop::Chain, unsigned(&[])),
            self.row("a signature of zeros", Stop::Chain, unsigned(&[0x30, 6, 2, 1, 0, 2, 1, 0])),
            self.with("two algorithms", Stop::Chain, |draft| draft.outer_algorithm = sha1.clone())?,
            self.with("SHA-1", Stop::Chain, |draft| {
                (draft.inner_algorithm, draft.outer_algorithm) = (sha1.clone(), sha1.clone());
            })?,
            self.with("an unknown algorithm", Stop::Chain, |draft| {
                (draft.inner_algorithm, draft.outer_algorithm) = (none.clone(), none.clone());
            })?,
        ])
    }

    fn dates(&self) -> Result<Vec<Row>> {
        let (now, day) = (self.now, 24 * 3600);
        let from_to = |name: &str, from: Vec<u8>, to: Vec<u8>| {
            self.with(name, Stop::Chain, |draft| draft.validity = seq(&[&from, &to]))
        };
        let (before, after) = (time(now - 60), time(now + 3600));
        Ok(vec![
            from_to("ended beyond the grace", time(now - 30 * day), time(now - 7 * day - 60))?,
            from_to("not valid yet", time(now + 3600), time(now + 2 * 3600))?,
            from_to("ends before it begins", time(now + 3600), time(now - 3600))?,
            from_to("ended before it began, in the grace", time(now - 60), time(now - 3600))?,
            from_to("ended in 1970", time(0), time(1))?,
            from_to("a 13th month", before.clone(), utc("301301000000Z"))?,
            from_to("a 30th of February", before.clone(), utc("300230000000Z"))?,
            from_to("an hour 25", before.clone(), utc("300101250000Z"))?,
            from_to("without seconds", before.clone(), utc("3001010000Z"))?,
            from_to("without a zone", before.clone(), utc("300101000000"))?,
            from_to("in another zone", before.clone(), utc("300101000000+0100"))?,
            from_to("with a fraction", before.clone(), generalized("20300101000000.5Z"))?,
            from_to("in another zone, generalized", before, generalized("20300101000000+0100"))?,
            from_to("no dates but text", tlv(0x0c, b"now"), after)?,
        ])
    }

    fn shapes(&self) -> Result<Vec<Row>> {
        let Authority { agents, root, .. } = self.authority;
        let real = self.agent.sign(agents)?;
        let version = |number: u8| tlv(0xa0, &[2, 1, number]);
        let trailing = [&*real, b"\0"].concat();
        let indefinite = [&[0x30, 0x80], &real[4..], &[0, 0]].concat();
        let padded = [&[0x30, 0x83, 0], &real[2..]].concat();
        let mut long = self.row("seven in the chain", Stop::Chain, real.clone());
        long.chain.extend(std::iter::repeat_n(root.certificate.clone(), 5));
        Ok(vec![
            self.with("version 1", Stop::Content, |draft| {
                draft.version = Vec::new();
                for part in [&mut draft.names, &mut draft.usage, &mut draft.purpose] {
                    part.clear();
                }
                draft.basic.clear();
            })?,
            self.with("version 1 with extensions", Stop::Content, |draft| {
                draft.version = Vec::new();
            })?,
            self.with("version 2", Stop::Content, |draft| draft.version = version(1))?,
            self.with("version 4", Stop::Content, |draft| draft.version = version(3))?,
            self.row("cut off", Stop::Content, real[..real.len() - 1].to_vec()),
            self.row("cut off in its middle", Stop::Content, real[..real.len() / 2].to_vec()),
            self.row("one byte", Stop::Content, vec![0x30]),
            self.row("something follows it", Stop::Content, trailing),
            self.row("of indefinite length", Stop::Content, indefinite),
            self.row("a length in three bytes", Stop::Chain, padded),
            self.row("no DER at all", Stop::Content, b"-----BEGIN CERTIFICATE-----".to_vec()),
            self.with("9,000 bytes", Stop::Content, |draft| {
                draft.subject = common_name(&"x".repeat(9000));
            })?,
            long,
        ])
    }

    fn serials(&self) -> Result<Vec<Row>> {
        let serial = |name: &str, bytes: &[u8]| {
            let serial = tlv(2, bytes);
            self.with(name, Stop::Content, |draft| draft.serial = serial)
        };
        Ok(vec![
            serial("serial 0", &[0])?,
            serial("a negative serial", &[0xc1; 16])?,
            serial("a serial of 8 bytes", &[0x41; 8])?,
            serial("a serial of 17 bytes", &[&[0], &[0xc1; 16][..]].concat())?,
            serial("a serial of 20 bytes", &[0x41; 20])?,
            serial("a serial of 200 bytes", &[0x41; 200])?,
            serial("a serial with zeros before it", &[&[0, 0], &[0x41; 14][..]].concat())?,
            serial("an empty serial", &[])?,
        ])
    }

    fn purposes(&self) -> Result<Vec<Row>> {
        let purpose = |name: &str, extension: Vec<u8>| {
            self.with(name, Stop::Content, |draft| draft.purpose = extension)
        };
        let any = standard(37, false, &tlv(0x30, &tlv(6, &[0x55, 0x1d, 37, 0])));
        let usage = |name: &str, value: &[u8]| {
            let extension = standard(15, true, value);
            self.with(name, Stop::Content, |draft| draft.usage = extension)
        };
        let basic = |name: &str, value: &[u8]| {
            let extension = standard(19, true, value);
            self.with(name, Stop::Content, |draft| draft.basic = extension)
        };
        Ok(vec![
            purpose("for servers", purposes(&[1]))?,
            purpose("for no purpose", Vec::new())?,
            purpose("for both sides", purposes(&[1, 2]))?,
            purpose("for clients and for signing code", purposes(&[2, 3]))?,
            purpose("for clients twice", purposes(&[2, 2]))?,
            purpose("for anything", any)?,
            purpose("for an empty list of purposes", standard(37, false, &[0x30, 0]))?,
            self.with("no key usage", Stop::Content, |draft| draft.usage.clear())?,
            usage("signs certificates too", &[3, 2, 2, 0x84])?,
            usage("enciphers keys too", &[3, 2, 5, 0xa0])?,
            usage("only agrees on keys", &[3, 2, 3, 0x08])?,
            usage("an empty key usage", &[3, 1, 0])?,
            basic("an authority", &[0x30, 3, 1, 1, 0xff])?,
            basic("an authority of path length 0", &[0x30, 6, 1, 1, 0xff, 2, 1, 0])?,
        ])
    }

    fn extensions(&self) -> Result<Vec<Row>> {
        let more = |name: &str, extension: Vec<u8>| {
            self.with(name, Stop::Content, |draft| draft.more = extension)
        };
        let private = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 99];
        Ok(vec![
            more("its names twice", self.agent.names.clone())?,
            more("another's names after its own", names(&[uri(self.admin_uri)]))?,
            more("its purpose twice", purposes(&[2]))?,
            more("another purpose after its own", purposes(&[1]))?,
            more("its key usage twice", self.agent.usage.clone())?,
            more("an unknown critical extension", extension(&private, true, &[5, 0]))?,
            more("an unknown extension", extension(&private, false, &[5, 0]))?,
            more("name constraints", standard(30, true, &constraint("stories.test")))?,
            more("name constraints, not critical", standard(30, false, &constraint("a.test")))?,
            more("policies", standard(32, false, &tlv(0x30, &seq(&[&tlv(6, &[0x2a, 3])]))))?,
            more("names of its issuer", standard(18, false, &tlv(0x30, &uri(self.agent_uri))))?,
        ])
    }

    fn names(&self) -> Result<Vec<Row>> {
        let named = |name: &str, list: &[Vec<u8>]| {
            let extension = names(list);
            self.with(name, Stop::Content, |draft| draft.names = extension)
        };
        let (own, dns) = (uri(self.agent_uri), tlv(0x82, b"agent.stories.test"));
        let other_name = tlv(
            0xa0,
            &[tlv(6, &[0x2a, 3]), tlv(0xa0, &tlv(0x0c, self.agent_uri.as_bytes()))].concat(),
        );
        Ok(vec![
            self.with("no names", Stop::Content, |draft| draft.names.clear())?,
            self.with("a common name only", Stop::Content, |draft| {
                draft.names.clear();
                draft.subject = common_name(self.agent_uri);
            })?,
            named("an empty list of names", &[])?,
            named("two URIs", &[own.clone(), uri(self.admin_uri)])?,
            named("its URI twice", &[own.clone(), own.clone()])?,
            named("its URI and a DNS name", &[own.clone(), dns.clone()])?,
            named("its URI and an address", &[own.clone(), tlv(0x87, &[127, 0, 0, 1])])?,
            named("its URI and a mail address", &[own, tlv(0x81, b"a@stories.test")])?,
            named("a DNS name", &[dns])?,
            named("its URI as a DNS name", &[tlv(0x82, self.agent_uri.as_bytes())])?,
            named("its URI as a mail address", &[tlv(0x81, self.agent_uri.as_bytes())])?,
            named("its URI as another kind of name", &[other_name])?,
        ])
    }

    fn uris(&self) -> Result<Vec<Row>> {
        let own = self.agent_uri;
        let domain = |other: &str| own.replacen("stories.test", other, 1);
        let (path, instance) = own.rsplit_once('/').unwrap();
        let agent = path.rsplit('/').next().unwrap();
        let nil = "00000000-0000-0000-0000-000000000000";
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("another trust domain", domain("other.test").into()),
            ("a longer trust domain", domain("stories.test.evil.test").into()),
            ("a trust domain before ours", domain("evil-stories.test").into()),
            ("no trust domain", domain("").into()),
            ("a trust domain in capitals", domain("STORIES.test").into()),
            ("a trust domain with a dot after it", domain("stories.test.").into()),
            ("a user before the trust domain", domain("root@stories.test").into()),
            ("a port", domain("stories.test:443").into()),
            ("a scheme in capitals", own.replacen("spiffe", "SPIFFE", 1).into()),
            ("another scheme", own.replacen("spiffe:", "https:", 1).into()),
            ("no scheme", own.replacen("spiffe:", "", 1).into()),
            ("one slash", own.replacen("//", "/", 1).into()),
            ("a slash at its end", format!("{own}/").into()),
            ("another segment", format!("{own}/x").into()),
            ("no instance", path.into()),
            ("an empty instance", format!("{path}/").into()),
            ("an empty segment", format!("{path}//{instance}").into()),
            ("a dot", format!("{path}/./{instance}").into()),
            ("two dots", format!("{own}/../{instance}").into()),
            ("a percent", own.replacen("agent", "%61gent", 1).into()),
            ("an encoded slash", format!("{path}%2f{instance}").into()),
            ("a query", format!("{own}?x").into()),
            ("a fragment", format!("{own}#x").into()),
            ("a NUL at its end", format!("{own}\0").into()),
            ("a NUL in its middle", own.replacen("agent", "agent\0", 1).into()),
            ("a NUL and another name after it", format!("{own}\0{}", self.admin_uri).into()),
            ("a line end", format!("{own}\n").into()),
            ("a space before it", format!(" {own}").into()),
            ("a tab in it", own.replacen("agent", "agent\t", 1).into()),
            ("a backslash", own.replacen("/agent", "\\agent", 1).into()),
            ("not ASCII", own.replacen('a', "\u{430}", 1).into()),
            ("not UTF-8", [own.as_bytes(), b"\xff"].concat()),
            ("3,000 characters", format!("{own}/{}", "a".repeat(3000)).into()),
            ("UUIDs in capitals", own.replace(instance, &instance.to_uppercase()).into()),
            ("UUIDs without dashes", own.replace(instance, &instance.replace('-', "")).into()),
            ("a UUID in braces", own.replace(instance, &format!("{{{instance}}}")).into()),
            ("a UUID as a URN", own.replace(instance, &format!("urn:uuid:{instance}")).into()),
            ("no UUID", own.replace(instance, "worker-1").into()),
            ("a UUID with a digit too few", own[..own.len() - 1].into()),
            ("the nil instance", own.replace(instance, nil).into()),
            ("the nil agent", own.replace(agent, nil).into()),
            ("a class of fantasy", own.replacen("/agent/", "/root/", 1).into()),
            ("a class in capitals", own.replacen("/agent/", "/Agent/", 1).into()),
            ("no class", own.replacen("/agent/", "/", 1).into()),
            ("an empty URI", Vec::new()),
        ];
        let mut rows = Vec::with_capacity(cases.len() + 2);
        for (name, text) in cases {
            let extension = names(&[uri(text)]);
            rows.push(self.with(name, Stop::Content, |draft| draft.names = extension)?);
        }
        // Sound names, and of the wrong class for this port.
        for (name, class) in [("an administrator's name", "admin"), ("a broker's name", "broker")] {
            let extension = names(&[uri(format!("spiffe://stories.test/{class}/{instance}"))]);
            rows.push(self.with(name, Stop::Chain, |draft| draft.names = extension)?);
        }
        Ok(rows)
    }

    fn keys(&self) -> Result<Vec<Row>> {
        let key =
            |name: &str, key: Vec<u8>| self.with(name, Stop::Content, |draft| draft.key = key);
        let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let ed448 = seq(&[&seq(&[&tlv(6, &[0x2b, 0x65, 0x71])]), &super::der::bits(&[1; 57])]);
        Ok(vec![
            key("RSA with 1,024 bits", rsa(1024))?,
            key("RSA with 2,048 bits", rsa(2048))?,
            key("RSA with 8,192 bits", rsa(8192))?,
            key("RSA with 16,384 bits", rsa(16384))?,
            key("RSA with 50,000 bits", rsa(50_000))?,
            key("P-384", curve(&[0x2b, 0x81, 4, 0, 34], 4, 96))?,
            key("P-521", curve(&[0x2b, 0x81, 4, 0, 35], 4, 132))?,
            key("secp256k1", curve(&[0x2b, 0x81, 4, 0, 10], 4, 64))?,
            key("a compressed point", curve(&p256, 2, 32))?,
            key("a short point", curve(&p256, 4, 63))?,
            key("Ed448", ed448)?,
            key("an empty key", curve(&p256, 4, 0))?,
        ])
    }

    /// At the administrators' port.
    fn administrators(&self) -> Result<Vec<Row>> {
        let Authority { root, agents, admins, servers } = self.authority;
        let now = self.now;
        let row = |name: &str, stop, leaf: Vec<u8>, issuer: &Signer| Row {
            name: format!("administrators: {name}"),
            port: Port::Admins,
            stop,
            chain: vec![leaf, issuer.certificate.clone()],
        };
        let with = |name: &str, stop, change: &dyn Fn(&mut Draft)| -> Result<Row> {
            let mut draft = self.admin.clone();
            change(&mut draft);
            Ok(row(name, stop, draft.sign(admins)?, admins))
        };
        let issued = |name: &str, by: &Signer| -> Result<Row> {
            let draft = Draft { issuer: by.name()?, ..self.admin.clone() };
            Ok(row(name, Stop::Chain, draft.sign(by)?, by))
        };
        let nil = "spiffe://stories.test/admin/00000000-0000-0000-0000-000000000000";
        Ok(vec![
            row("an agent's", Stop::Chain, self.agent_leaf.to_vec(), agents),
            row("the broker's own", Stop::Chain, self.server_leaf.to_vec(), servers),
            row("the issuer itself", Stop::Chain, admins.certificate.clone(), root),
            issued("of the agents' issuer", agents)?,
            issued("of the servers' issuer", servers)?,
            issued("straight from the root", root)?,
            with("an agent's name", Stop::Chain, &|draft| {
                draft.names = names(&[uri(self.agent_uri)]);
            })?,
            with("the nil administrator", Stop::Content, &|draft| {
                draft.names = names(&[uri(nil)]);
            })?,
            with("an instance behind the name", Stop::Content, &|draft| {
                draft.names = names(&[uri(format!("{}/x", self.admin_uri))]);
            })?,
            with("ended a minute ago", Stop::Chain, &|draft| {
                draft.validity = seq(&[&time(now - 3600), &time(now - 60)]);
            })?,
            with("not valid yet", Stop::Chain, &|draft| {
                draft.validity = seq(&[&time(now + 60), &time(now + 3600)]);
            })?,
            with("for servers", Stop::Content, &|draft| draft.purpose = purposes(&[1]))?,
            with("RSA with 2,048 bits", Stop::Content, &|draft| draft.key = rsa(2048))?,
        ])
    }
}

/// Name constraints that permit the URIs of one host.
fn constraint(host: &str) -> Vec<u8> {
    seq(&[&tlv(0xa0, &seq(&[&uri(host)]))])
}
