//! Writes tar archives header by header, right or wrong in every way that is asked for.

/// Which magic a header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Ustar,
    Gnu,
}

/// How a name that may be long is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// In the header's own field.
    Plain,
    /// The part up to a slash in the field for prefixes.
    Prefix,
    /// In a GNU header of its own.
    Long,
    /// In a pax header.
    Pax,
}

pub(crate) const NAMINGS: [Naming; 4] = [Naming::Plain, Naming::Prefix, Naming::Long, Naming::Pax];

/// An archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

/// One header; change its fields at will before it is added.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) block: [u8; 512],
    pub(crate) content: Vec<u8>,
}

impl Header {
    /// A header of this kind, with everything in order.
    pub(crate) fn new(kind: u8, name: &[u8]) -> Self {
        let mut header = Self { block: [0; 512], content: Vec::new() };
        header.put(0, name);
        header.put(100, b"0000644\0");
        header.put(108, b"0000000\0");
        header.put(116, b"0000000\0");
        header.put(124, b"00000000000\0");
        header.put(136, b"14717000000\0");
        header.block[156] = kind;
        header.magic(Magic::Ustar)
    }

    pub(crate) fn file(name: &[u8], content: &[u8]) -> Self {
        Self::new(b'0', name).content(content)
    }

    pub(crate) fn directory(name: &[u8]) -> Self {
        Self::new(b'5', name).mode(0o755)
    }

    pub(crate) fn link(name: &[u8], target: &[u8]) -> Self {
        Self::new(b'2', name).put_at(157, target)
    }

    pub(crate) fn hard_link(name: &[u8], target: &[u8]) -> Self {
        Self::new(b'1', name).put_at(157, target)
    }

    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.content = content.to_vec();
        self.put(124, format!("{:011o}\0", content.len()).as_bytes());
        self
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        self.put_at(100, format!("{mode:07o}\0").as_bytes())
    }

    pub(crate) fn magic(self, magic: Magic) -> Self {
        self.put_at(257, if magic == Magic::Ustar { b"ustar\x0000" } else { b"ustar  \0" })
    }

    /// Overwrites bytes of the header; what does not fit into it is left out.
    pub(crate) fn put_at(mut self, at: usize, bytes: &[u8]) -> Self {
        self.put(at, bytes);
        self
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (field, byte) in self.block.iter_mut().skip(at).zip(bytes) {
            *field = *byte;
        }
    }

    /// Fills in the right checksum.
    fn summed(mut self) -> [u8; 512] {
        self.put(148, b"        ");
        let sum: u32 = self.block.iter().map(|&byte| u32::from(byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
        self.block
    }
}

impl Archive {
    /// Adds an entry with the checksum that it should have.
    pub(crate) fn add(self, header: Header) -> Self {
        let content = header.content.clone();
        self.raw(&header.summed()).padded(&content)
    }

    /// Adds bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn padded(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Adds an entry whose name and link target are written in this way.
    pub(crate) fn named(self, kind: u8, name: &[u8], target: &[u8], naming: Naming) -> Self {
        let header = |name: &[u8], target: &[u8]| Header::new(kind, name).put_at(157, target);
        match naming {
            Naming::Plain => self.add(header(name, target)),
            Naming::Prefix => match name.iter().position(|&byte| byte == b'/') {
                Some(slash) => self.add(header(&name[slash + 1..], target).put_at(345, &name[..slash])),
                None => self.add(header(b"x", target).put_at(345, name)),
            },
            Naming::Long => {
                let long = self.long(b'L', &[name, b"\0"].concat());
                let long = if target.is_empty() { long } else { long.long(b'K', &[target, b"\0"].concat()) };
                long.add(header(b"short", if target.is_empty() { b"" } else { b"short" }).magic(Magic::Gnu))
            }
            Naming::Pax => {
                let mut records = record("path", name);
                if !target.is_empty() {
                    records.extend(record("linkpath", target));
                }
                let short: &[u8] = if target.is_empty() { b"" } else { b"short" };
                self.pax(&records).add(header(b"short", short))
            }
        }
    }

    /// Adds a GNU header for a long name or target, with this content.
    pub(crate) fn long(self, kind: u8, content: &[u8]) -> Self {
        self.add(Header::new(kind, b"././@LongLink").magic(Magic::Gnu).content(content))
    }

    /// Adds a pax header with this content.
    pub(crate) fn pax(self, content: &[u8]) -> Self {
        self.add(Header::new(b'x', b"PaxHeaders/x").content(content))
    }

    /// The archive with its end.
    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }
}

/// A pax record.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}
