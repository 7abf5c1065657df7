//! [`Yaml`]: how a type is written in a scenario; and macros that say it once for reading, writing, the JSON Schema and
//! the docs, from the declaration of the type.
//!
//! | macro | declares |
//! |---|---|
//! | `mapping!` | a struct: a mapping of these keys, where nothing unknown is let pass |
//! | `tagged!` | an enum: exactly one of these keys, next to the keys of the mapping it is part of |
//! | `words!` | an enum: one of these words |

use serde_json::{Map, Value as Json, json};

use super::error::Problem;
use crate::config::Position;
use crate::config::raw::{Content, Name, Node};

/// A type that stands in a scenario.
pub(super) trait Yaml: Sized {
    /// Reads it; none, with a problem noted, where it is something else.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// As it would be written.
    fn write(&self) -> Json;

    /// Its JSON Schema.
    fn schema() -> Json;

    /// What it is when its key is missing; none where the key must be there.
    fn missing() -> Option<Self> {
        None
    }
}

/// An enum that is exactly one key of the mapping it is part of.
pub(super) trait Tagged: Sized {
    /// The keys to choose from.
    const KEYS: &'static [&'static str];

    /// What `key` holds.
    fn read(key: &str, node: &Node, reader: &mut Reader) -> Option<Self>;

    /// Key and value as they would be written.
    fn write(&self) -> (&'static str, Json);

    /// The JSON Schema of each key.
    fn properties() -> Map<String, Json>;
}

/// What was found wrong so far, and where reading is.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
    path: Vec<String>,
}

impl Reader {
    /// Notes a problem with what is being read.
    pub(super) fn problem(&mut self, at: Position, what: impl Into<String>) {
        let key = self.path.concat();
        self.problems.push(Problem {
            at,
            key: key.strip_prefix('.').unwrap_or(&key).to_owned(),
            what: what.into(),
        });
    }

    /// Reads one step further down: `.key` or `[index]`.
    pub(super) fn within<T>(&mut self, step: String, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }
}

/// The entries of a mapping that is being read.
pub(super) struct Fields<'n> {
    at: Position,
    entries: &'n [(Name, Node)],
    /// Whether a key is none of its own: what seems to be missing may be meant by it.
    has_unknown: bool,
}

impl<'n> Fields<'n> {
    /// The entries of `node`; none, with a problem noted, where it is no mapping or has a key that is not in `keys`.
    pub(super) fn new(node: &'n Node, keys: &[&str], reader: &mut Reader) -> Option<Self> {
        let Content::Mapping(entries) = &node.content else {
            reader.problem(node.at, format!("takes a mapping of {}", keys.join(", ")));
            return None;
        };
        let is_unknown = |(name, _): &&(Name, Node)| !keys.contains(&name.text.as_str());
        for (name, _) in entries.iter().filter(is_unknown) {
            let hint = suggest(&name.text, keys);
            reader.problem(name.at, format!("no key is called {}{hint}", name.text));
        }
        Some(Self {
            at: node.at,
            entries,
            has_unknown: entries.iter().any(|entry| is_unknown(&entry)),
        })
    }

    /// What stands under `key`, or `default`, or what the type has for a missing key.
    pub(super) fn take<T: Yaml>(
        &self,
        key: &str,
        default: Option<T>,
        reader: &mut Reader,
    ) -> Option<T> {
        match self.entries.iter().find(|(name, _)| name.text == key) {
            Some((_, node)) => reader.within(format!(".{key}"), |reader| T::read(node, reader)),
            None => default.or_else(T::missing).or_else(|| {
                reader.problem(self.at, format!("{key} is missing"));
                None
            }),
        }
    }

    /// The one key of `T` that is here.
    pub(super) fn take_one_of<T: Tagged>(&self, reader: &mut Reader) -> Option<T> {
        let is_choice = |name: &str| T::KEYS.contains(&name);
        let mut chosen = self
            .entries
            .iter()
            .filter(|(name, _)| is_choice(&name.text));
        let Some((name, node)) = chosen.next() else {
            if !self.has_unknown {
                let choices = T::KEYS.join(", ");
                reader.problem(self.at, format!("needs one of {choices}"));
            }
            return None;
        };
        if let Some((second, _)) = chosen.next() {
            let (first, second, at) = (&name.text, &second.text, second.at);
            reader.problem(
                at,
                format!("has {first} already; {second} needs an entry of its own"),
            );
            return None;
        }
        let key = &name.text;
        reader.within(format!(".{key}"), |reader| T::read(key, node, reader))
    }
}

/// `; did you mean x?`, or all that there is to choose from.
pub(super) fn suggest(word: &str, choices: &[&str]) -> String {
    let distance = |choice: &&&str| strsim::osa_distance(word, choice);
    match choices.iter().min_by_key(distance) {
        Some(near) if distance(&near) <= 1 + near.len() / 4 => format!("; did you mean {near}?"),
        _ => format!("; it takes {}", choices.join(", ")),
    }
}

/// The text of a scalar; none, with a problem noted, where it is none or empty.
pub(super) fn text<'n>(node: &'n Node, takes: &str, reader: &mut Reader) -> Option<&'n str> {
    match &node.content {
        Content::Scalar(text) if !text.is_empty() => Some(text),
        _ => {
            reader.problem(node.at, format!("takes {takes}"));
            None
        }
    }
}

/// Adds an entry unless it is null, which stands for a missing key.
pub(super) fn put(map: &mut Map<String, Json>, key: &str, value: Json) {
    if !value.is_null() {
        map.insert(key.to_owned(), value);
    }
}

/// `schema` with a description made of doc comments.
pub(super) fn described(mut schema: Json, doc: &str) -> Json {
    if let Json::Object(map) = &mut schema {
        map.insert("description".to_owned(), json!(doc.trim()));
    }
    schema
}

/// The schema of a mapping.
pub(super) fn object(properties: Map<String, Json>, required: &[&str]) -> Json {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// The schema of a mapping that also has exactly one of further keys.
pub(super) fn object_with_one_of(
    mut properties: Map<String, Json>,
    required: &[&str],
    choices: Map<String, Json>,
) -> Json {
    let one_of: Vec<Json> = choices
        .keys()
        .map(|key| json!({ "required": [key] }))
        .collect();
    properties.extend(choices);
    let mut schema = object(properties, required);
    schema["oneOf"] = json!(one_of);
    schema
}

impl<T: Yaml> Yaml for Option<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(Some)
    }

    fn write(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::write)
    }

    fn schema() -> Json {
        T::schema()
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

impl<T: Yaml> Yaml for Vec<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Content::Sequence(items) = &node.content else {
            reader.problem(node.at, "takes a list");
            return None;
        };
        let mut values = Self::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            values.extend(reader.within(format!("[{index}]"), |reader| T::read(item, reader)));
        }
        (values.len() == items.len()).then_some(values)
    }

    fn write(&self) -> Json {
        match self.is_empty() {
            true => Json::Null,
            false => self.iter().map(T::write).collect(),
        }
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }

    fn missing() -> Option<Self> {
        Some(Self::new())
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// Where.
    pub at: Position,
    /// The value.
    pub value: T,
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Yaml> Yaml for At<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let at = node.at;
        T::read(node, reader).map(|value| Self { at, value })
    }

    fn write(&self) -> Json {
        self.value.write()
    }

    fn schema() -> Json {
        T::schema()
    }
}

/// Declares a mapping: `field: Type`, `field = "key": Type` where the key is no identifier, `(default)` at the end where a
/// missing key means something, and `with { field: Type }` for a [`Tagged`] enum among the keys.
macro_rules! mapping {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(= $key:literal)? : $Type:ty $(= ($default:expr))?,
            )*
        } $( with {
            $(#[doc = $one_doc:literal])+
            $one:ident: $One:ty,
        } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $Name {
            $( $(#[doc = $doc])+ pub $field: $Type, )*
            $( $(#[doc = $one_doc])+ pub $one: $One, )?
        }

        impl $crate::simulation::scenario::yaml::Yaml for $Name {
            fn read(
                node: &$crate::config::raw::Node,
                reader: &mut $crate::simulation::scenario::yaml::Reader,
            ) -> Option<Self> {
                #[allow(unused_imports, reason = "only with a tagged enum among the keys")]
                use $crate::simulation::scenario::yaml::{Fields, Tagged};
                let keys = [
                    &[$( mapping!(@key $field $($key)?) ),*][..],
                    $( <$One as Tagged>::KEYS, )?
                ].concat();
                let fields = Fields::new(node, &keys, reader)?;
                $( let $field = fields.take::<$Type>(
                    mapping!(@key $field $($key)?),
                    mapping!(@default $($default)?),
                    reader,
                ); )*
                $( let $one = fields.take_one_of::<$One>(reader); )?
                Some(Self { $( $field: $field?, )* $( $one: $one?, )? })
            }

            fn write(&self) -> serde_json::Value {
                let mut map = serde_json::Map::new();
                $(
                    let written = $crate::simulation::scenario::yaml::Yaml::write(&self.$field);
                    let default: Option<$Type> = mapping!(@default $($default)?);
                    if default.is_none_or(|default| {
                        $crate::simulation::scenario::yaml::Yaml::write(&default) != written
                    }) {
                        let key = mapping!(@key $field $($key)?);
                        $crate::simulation::scenario::yaml::put(&mut map, key, written);
                    }
                )*
                $(
                    let (key, value) =
                        $crate::simulation::scenario::yaml::Tagged::write(&self.$one);
                    map.insert(key.to_owned(), value);
                )?
                serde_json::Value::Object(map)
            }

            fn schema() -> serde_json::Value {
                use $crate::simulation::scenario::yaml::Yaml;
                let mut properties = serde_json::Map::new();
                let mut required = Vec::new();
                $(
                    let key = mapping!(@key $field $($key)?);
                    let default: Option<$Type> = mapping!(@default $($default)?);
                    let mut schema = $crate::simulation::scenario::yaml::described(
                        <$Type as Yaml>::schema(),
                        concat!($($doc),+),
                    );
                    if let Some(default) = default {
                        $crate::simulation::scenario::yaml::put(
                            schema.as_object_mut().expect("every schema is an object"),
                            "default",
                            default.write(),
                        );
                    } else if <$Type as Yaml>::missing().is_none() {
                        required.push(key);
                    }
                    properties.insert(key.to_owned(), schema);
                )*
                mapping!(@schema properties, required $(, $One)?)
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@default) => { None };
    (@default $default:expr) => { Some($default) };
    (@schema $properties:ident, $required:ident) => {
        $crate::simulation::scenario::yaml::object($properties, &$required)
    };
    (@schema $properties:ident, $required:ident, $One:ty) => {
        $crate::simulation::scenario::yaml::object_with_one_of(
            $properties,
            &$required,
            <$One as $crate::simulation::scenario::yaml::Tagged>::properties(),
        )
    };
}

/// Declares an enum of which exactly one key stands in a mapping: `Variant(Type) = "key"`.
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident {
            $( $(#[doc = $doc:literal])+ $Variant:ident($Type:ty) = $key:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum $Name {
            $( $(#[doc = $doc])+ $Variant($Type), )*
        }

        impl $crate::simulation::scenario::yaml::Tagged for $Name {
            const KEYS: &'static [&'static str] = &[$( $key ),*];

            fn read(
                key: &str,
                node: &$crate::config::raw::Node,
                reader: &mut $crate::simulation::scenario::yaml::Reader,
            ) -> Option<Self> {
                use $crate::simulation::scenario::yaml::Yaml;
                match key {
                    $( $key => <$Type as Yaml>::read(node, reader).map(Self::$Variant), )*
                    _ => unreachable!("{key} is none of its keys"),
                }
            }

            fn write(&self) -> (&'static str, serde_json::Value) {
                use $crate::simulation::scenario::yaml::Yaml;
                match self {
                    $( Self::$Variant(value) => ($key, value.write()), )*
                }
            }

            fn properties() -> serde_json::Map<String, serde_json::Value> {
                use $crate::simulation::scenario::yaml::{Yaml, described};
                let mut properties = serde_json::Map::new();
                $(
                    let schema = described(<$Type as Yaml>::schema(), concat!($($doc),+));
                    properties.insert($key.to_owned(), schema);
                )*
                properties
            }
        }
    };
}

/// Declares an enum of words: `Variant = "word"`.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident {
            $( $(#[doc = $doc:literal])+ $Variant:ident = $word:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name {
            $( $(#[doc = $doc])+ $Variant, )*
        }

        impl $Name {
            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$Variant => $word, )* }
            }
        }

        impl $crate::simulation::scenario::yaml::Yaml for $Name {
            fn read(
                node: &$crate::config::raw::Node,
                reader: &mut $crate::simulation::scenario::yaml::Reader,
            ) -> Option<Self> {
                use $crate::simulation::scenario::yaml::{suggest, text};
                const WORDS: &[&str] = &[$( $word ),*];
                match text(node, &WORDS.join(", "), reader)? {
                    $( $word => Some(Self::$Variant), )*
                    other => {
                        let hint = suggest(other, WORDS);
                        reader.problem(node.at, format!("{other} is not one of its words{hint}"));
                        None
                    }
                }
            }

            fn write(&self) -> serde_json::Value {
                serde_json::Value::String(self.as_str().to_owned())
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$( $word ),*] })
            }
        }
    };
}

pub(super) use {mapping, tagged, words};
