//! What a caller sees of what messages say and of whom they are about: the one place that hides it.
//!
//! Answers take a [`Sight`] to be made, and only an authorized caller has one, so none can forget it.

use messaging_core::domain::address::Address;
use messaging_core::domain::tenant::Permission;

use crate::api::problem::Problem;

/// What stands in place of a text.
pub const MASK: &str = "[hidden]";

/// Whether a caller sees everything, or masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    full: bool,
}

impl Sight {
    /// Of somebody who may see everything, or may not.
    pub(super) fn new(full: bool) -> Self {
        Self { full }
    }

    /// A number or a chat id, or what is left of it.
    pub fn address(self, address: &Address) -> String {
        if self.full { address.as_str().to_owned() } else { address.masked() }
    }

    /// A number as a request wrote it, or what is left of it.
    pub fn written(self, number: String) -> String {
        if self.full { number } else { Address::from_stored(number.trim()).masked() }
    }

    /// A text, or the mask: whether there is one is hidden, too.
    pub fn text(self, text: String) -> String {
        if self.full { text } else { MASK.to_owned() }
    }

    /// Anything else that may tell what was said, or nothing.
    pub fn part<T>(self, part: Option<T>) -> Option<T> {
        part.filter(|_| self.full)
    }

    /// Lets those look for contents who see them: to others, what is found would tell.
    ///
    /// # Errors
    /// A refusal, where something is looked for and the caller sees no content.
    pub fn look_for<T>(self, wanted: Option<&T>) -> Result<(), Problem> {
        match wanted {
            Some(_) if !self.full => {
                Err(Problem::lacking(Permission::ReadContent, "to search needs"))
            }
            _ => Ok(()),
        }
    }

    /// Lets those take contents out whole who see them: what would be left is no use to anybody.
    ///
    /// # Errors
    /// A refusal, where the caller sees no content.
    pub fn take_out(self) -> Result<(), Problem> {
        match self.full {
            true => Ok(()),
            false => Err(Problem::lacking(Permission::ReadContent, "to take contents out needs")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_see_everything_sees_it_and_others_see_masks() {
        let (all, masks) = (Sight::new(true), Sight::new(false));
        let address = Address::from_stored("+4915112345612");
        assert_eq!(all.address(&address), "+4915112345612");
        assert_eq!(masks.address(&address), "+49…12");
        assert_eq!(all.written(" x ".to_owned()), " x ");
        assert_eq!(masks.written(" +4915112345612".to_owned()), "+49…12");
        assert_eq!(all.text("hello".to_owned()), "hello");
        assert_eq!(masks.text(String::new()), MASK);
        assert_eq!((all.part(Some(1)), masks.part(Some(1))), (Some(1), None));
        assert!(all.look_for(Some(&1)).is_ok() && masks.look_for(None::<&u8>).is_ok());
        assert_eq!(masks.look_for(Some(&1)).unwrap_err().status(), 403);
        assert!(all.take_out().is_ok());
        assert_eq!(masks.take_out().unwrap_err().status(), 403);
    }
}
