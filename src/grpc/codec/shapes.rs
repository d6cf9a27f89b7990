//! Which fields of which messages hold parts: what it takes to count these in encoded bytes.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use crate::grpc::proto;

/// The field of a request whose elements have a limit of their own.
const INTERACTIONS: &str = "interactions";
/// Deepest message that is looked into; prost refuses one that is deeper.
const MAX_DEPTH: usize = 100;

static SHAPES: LazyLock<Shapes> = LazyLock::new(Shapes::of_package);

/// The shapes of all messages that requests are made of.
pub(super) struct Shapes {
    /// By the short name of a message, the place of its shape among `all`.
    by_name: HashMap<String, usize>,
    all: Vec<Shape>,
}

/// What the fields of a message hold, by their numbers.
#[derive(Default)]
struct Shape {
    fields: Vec<Option<Part>>,
    /// The number of the field of interactions, where there is one.
    interactions: Option<u32>,
}

/// A field whose every occurrence takes memory of its own.
#[derive(Clone, Copy)]
enum Part {
    /// A message, of the shape at this place.
    Message(usize),
    /// An element of a list of strings.
    Text,
}

/// What a message holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Messages at any depth, and elements of lists of strings.
    pub(super) parts: usize,
    /// Elements of the message's own list of interactions.
    pub(super) interactions: usize,
}

impl Shapes {
    /// Counts what the encoded message `name` holds. Bytes that are no message are counted as far as
    /// they are one: the decoder gets no further.
    pub(super) fn count(name: &str, bytes: &[u8]) -> Counted {
        let shapes = &*SHAPES;
        let mut counter = Counter { shapes, counted: Counted::default() };
        if let Some(&shape) = shapes.by_name.get(name) {
            let _ = counter.message(bytes, shape, 0);
        }
        counter.counted
    }

    fn of_package() -> Self {
        let mut shapes = Self { by_name: HashMap::new(), all: Vec::new() };
        // The program does not start without its descriptors: reflection is made of them.
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap_or_default();
        for message in pool.all_messages() {
            if message.package_name() == "interactions.v1" && message.parent_message().is_none() {
                let place = shapes.add(&message, &mut HashMap::new());
                shapes.by_name.insert(message.name().to_owned(), place);
            }
        }
        shapes
    }

    /// The place of the shape of `message`, which is added where it is new.
    fn add(&mut self, message: &MessageDescriptor, known: &mut HashMap<String, usize>) -> usize {
        if let Some(&place) = known.get(message.full_name()) {
            return place;
        }
        let place = self.all.len();
        self.all.push(Shape::default());
        known.insert(message.full_name().to_owned(), place);
        for field in message.fields() {
            let kind = field.kind();
            let part = if let Kind::Message(inner) = &kind {
                Part::Message(self.add(inner, known))
            } else if kind == Kind::String && field.is_list() {
                Part::Text
            } else {
                // Numbers take at most eight times their bytes, and only in lists, which no request
                // has.
                continue;
            };
            let Ok(number) = usize::try_from(field.number()) else { continue };
            let Shape { fields, interactions } = &mut self.all[place];
            if fields.len() <= number {
                fields.resize(number + 1, None);
            }
            fields[number] = Some(part);
            if field.is_list() && field.name() == INTERACTIONS {
                *interactions = Some(field.number());
            }
        }
        place
    }
}

struct Counter<'s> {
    shapes: &'s Shapes,
    counted: Counted,
}

/// The bytes are no message from here on.
struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

impl Counter<'_> {
    fn message(&mut self, mut bytes: &[u8], shape: usize, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        let Shape { fields, interactions } = &self.shapes.all[shape];
        while !bytes.is_empty() {
            let (number, wire_type) = decode_key(&mut bytes)?;
            let part = usize::try_from(number).ok().and_then(|number| *fields.get(number)?);
            let (WireType::LengthDelimited, Some(part)) = (wire_type, part) else {
                skip_field(wire_type, number, &mut bytes, DecodeContext::default())?;
                continue;
            };
            let length = usize::try_from(decode_varint(&mut bytes)?).ok();
            let content = length.and_then(|length| bytes.split_off(..length));
            let content = content.ok_or(Malformed)?;
            self.counted.parts += 1;
            if depth == 0 && *interactions == Some(number) {
                self.counted.interactions += 1;
            }
            if let Part::Message(inner) = part {
                self.message(content, inner, depth + 1)?;
            }
        }
        Ok(())
    }
}
