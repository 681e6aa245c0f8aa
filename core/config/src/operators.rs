//! Who may steer what runs in the process: `[[operator]]`.

use crate::check::{Check, place_of};
use crate::place::ConfigError;
use crate::raw;
use chatring_machines::operators::{Operator, Operators, Role, SecretHash};
use toml::Spanned;

/// How many there may be: each login looks at all of them.
const OPERATORS_MAX: usize = 1_000;

impl Check {
    pub(crate) fn operators(&self, raw: &[Spanned<raw::Operator>]) -> Result<Operators, ConfigError> {
        if let Some(one_too_many) = raw.get(OPERATORS_MAX) {
            return Err(self.error(place_of(one_too_many), format!("operator: found more than {OPERATORS_MAX} of them")));
        }
        let mut all: Vec<Operator> = Vec::new();
        for operator in raw {
            let raw::Operator { name, role, sha256 } = operator.get_ref();
            let called = self.name(name, "operator.name")?;
            if all.iter().any(|other| *other.name == **called) {
                return Err(self.wrong(name, format!("operator.name: found {:?} twice, expected each name once", called.as_str())));
            }
            let found = role.get_ref();
            let Some(role) = Role::ALL.iter().copied().find(|role| role.as_str() == found) else {
                return Err(self.wrong(role, format!("operator.role: found {found:?}, expected \"viewer\", \"operator\" or \"admin\"")));
            };
            let Some(hash) = SecretHash::parse(sha256.get_ref()) else {
                let expected = "64 hexadecimal digits, as `chatctl operator new` shows them";
                return Err(self.wrong(sha256, format!("operator.sha256: found {:?}, expected {expected}", sha256.get_ref())));
            };
            all.push(Operator { name: called.as_str().into(), role, hash });
        }
        Ok(all.into())
    }
}
