//! What an operator sets, as the commands declare it: every argument that has a variable is a setting,
//! and has a key in the configuration file.
//!
//! One of the commands takes a setting only by itself: none may have `requires`, which does not know of
//! values from the file.

use std::any::TypeId;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

/// What the variables of settings begin with.
const PREFIX: &str = "INTERACTIONS_";
/// Names the file, and so stands in none.
pub(in crate::cli) const FILE_ARGUMENT: &str = "config";
/// What holds a number. A function, since the ids of types are constants only from Rust 1.91 on.
fn numbers() -> [TypeId; 13] {
    [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
        TypeId::of::<NonZeroU16>(),
        TypeId::of::<NonZeroU32>(),
        TypeId::of::<NonZeroU64>(),
        TypeId::of::<NonZeroUsize>(),
        TypeId::of::<u8>(),
    ]
}

/// One setting.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Setting {
    /// Its name in the file: that of the flag, with `_` for `-`.
    pub(in crate::cli) key: String,
    pub(in crate::cli) variable: String,
    pub(in crate::cli) takes: Takes,
    /// As the first command declares it that takes it.
    pub(in crate::cli) argument: Arg,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Takes {
    Text,
    Number,
    Switch,
    /// Several texts.
    List,
}

impl Setting {
    /// The setting that an argument is, if it is one.
    fn of(argument: &Arg) -> Option<Self> {
        let variable = argument.get_env()?.to_str().filter(|name| name.starts_with(PREFIX))?;
        let flag = argument.get_long()?;
        (argument.get_id() != FILE_ARGUMENT).then(|| Self {
            key: flag.replace('-', "_"),
            variable: variable.to_owned(),
            takes: Takes::of(argument),
            argument: argument.clone(),
        })
    }

    /// Its name among the arguments.
    #[must_use]
    pub(in crate::cli) fn id(&self) -> &str {
        self.argument.get_id().as_str()
    }

    /// The flag's name, without the hyphens.
    #[must_use]
    pub(in crate::cli) fn flag(&self) -> &str {
        self.argument.get_long().unwrap_or_default()
    }

    /// Whether its value is, or may hold, what nobody else is to see.
    #[must_use]
    pub(in crate::cli) fn is_secret(&self) -> bool {
        self.argument.is_hide_env_values_set()
    }

    /// What is wrong with a value, in words.
    ///
    /// # Errors
    /// When anything is.
    pub(in crate::cli) fn check(&self, value: &str) -> Result<(), clap::Error> {
        let flag = match self.takes {
            // Nothing can be wrong with it.
            Takes::Switch => return Ok(()),
            Takes::Text | Takes::Number | Takes::List => self.flag(),
        };
        // Its variable may hold anything.
        let argument = self.argument.clone().env(Resettable::Reset);
        let command = Command::new(PREFIX).arg(argument);
        command.try_get_matches_from([PREFIX, &format!("--{flag}={value}")]).map(drop)
    }
}

impl Takes {
    fn of(argument: &Arg) -> Self {
        let holds = argument.get_value_parser().type_id();
        let action = argument.get_action();
        if !action.takes_values() {
            Self::Switch
        } else if matches!(action, ArgAction::Append) {
            Self::List
        } else if numbers().iter().any(|number| holds == *number) {
            Self::Number
        } else {
            Self::Text
        }
    }

    /// As messages and the reference call it.
    #[must_use]
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Switch => "true or false",
            Self::List => "a list of texts",
        }
    }
}

/// The settings of all commands, each once.
#[must_use]
pub(in crate::cli) fn of_commands(command: &Command) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for found in arguments(command).filter_map(Setting::of) {
        if settings.iter().all(|setting| setting.key != found.key) {
            settings.push(found);
        }
    }
    settings
}

/// The arguments of a command and of all below it.
fn arguments(command: &Command) -> Box<dyn Iterator<Item = &Arg> + '_> {
    let below = command.get_subcommands().flat_map(arguments);
    Box::new(command.get_arguments().chain(below))
}

/// The command with `default` in place of the defaults of settings, wherever it has any.
#[must_use]
pub(in crate::cli) fn with_defaults(
    command: Command,
    default: &impl Fn(&Setting) -> Option<Vec<String>>,
) -> Command {
    let command = command.mut_args(|argument| {
        match Setting::of(&argument).and_then(|setting| default(&setting)) {
            Some(values) => argument.default_values(values),
            None => argument,
        }
    });
    command.mut_subcommands(|command| with_defaults(command, default))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_setting_is_the_same_in_every_command() {
        let command = Cli::command();
        let settings = of_commands(&command);
        assert!(settings.len() >= 15, "{settings:?}");
        for found in arguments(&command).filter_map(Setting::of) {
            let first = settings.iter().find(|setting| setting.key == found.key).unwrap();
            let shape = |setting: &Setting| {
                let Setting { key, variable, takes, argument } = setting.clone();
                let (id, help) = (argument.get_id().clone(), argument.get_help().cloned());
                let default = argument.get_default_values().to_vec();
                (key, variable, takes, id, help.map(|help| help.to_string()), default)
            };
            assert_eq!(shape(&found), shape(first));
            let twins = settings
                .iter()
                .filter(|setting| setting.variable == found.variable || setting.id() == found.id());
            assert_eq!(twins.count(), 1, "{found:?}");
        }
    }

    #[test]
    fn a_setting_needs_no_other_argument() {
        for setting in of_commands(&Cli::command()) {
            let declared = format!("{:?}", setting.argument);
            for none in ["requires: []", "r_ifs: []", "conflicts: []"] {
                assert!(declared.contains(none), "{}: {declared}", setting.key);
            }
            assert!(!setting.argument.is_required_set(), "{}", setting.key);
        }
    }

    #[test]
    fn what_a_setting_takes_is_told_from_its_argument() {
        let settings = of_commands(&Cli::command());
        let takes = |key: &str| settings.iter().find(|setting| setting.key == key).unwrap().takes;
        assert_eq!(takes("listen"), Takes::Text);
        assert_eq!(takes("max_calls"), Takes::Number);
        assert_eq!(takes("insecure"), Takes::Switch);
        assert_eq!(takes("cors_origin"), Takes::List);
    }
}
