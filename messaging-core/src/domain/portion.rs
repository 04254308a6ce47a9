//! Portions of lists whose entries have ids that sort by time.

/// Which portion of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortionBy<Id> {
    /// The `page`th page, from 1; inserts may shift it.
    Page {
        /// From 1.
        page: u32,
        /// How many a page.
        limit: u32,
    },
    /// What is older than the entry named; inserts do not shift it.
    OlderThan {
        /// The last entry seen.
        last: Id,
        /// How many at the most.
        limit: u32,
    },
}

/// One portion of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
    /// Whether there are older ones behind the last.
    pub has_more: bool,
}

impl<Id> PortionBy<Id> {
    /// How many at the most.
    pub fn limit(&self) -> u32 {
        match self {
            Self::Page { limit, .. } | Self::OlderThan { limit, .. } => *limit,
        }
    }

    /// The number of the page, where it is asked for by that.
    pub fn page(&self) -> Option<u32> {
        match self {
            Self::Page { page, .. } => Some(*page),
            Self::OlderThan { .. } => None,
        }
    }

    /// How many entries stand before it, of those behind [`last`](Self::last).
    pub fn skipped(&self) -> u64 {
        self.page().map_or(0, |page| {
            u64::from(page.saturating_sub(1)).saturating_mul(u64::from(self.limit()))
        })
    }

    /// The entry that it begins behind.
    pub fn last(&self) -> Option<&Id> {
        match self {
            Self::Page { .. } => None,
            Self::OlderThan { last, .. } => Some(last),
        }
    }
}

impl<T> Page<T> {
    /// A portion of at most `limit` of these, of which one more than that was looked for.
    pub fn of(mut items: Vec<T>, total: u64, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, total, has_more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_says_what_stands_before_it() {
        let page = |page, limit| PortionBy::<u8>::Page { page, limit };
        assert_eq!(page(1, 20).skipped(), 0);
        assert_eq!(page(3, 20).skipped(), 40);
        assert_eq!(page(0, 20).skipped(), 0);
        assert_eq!(page(u32::MAX, u32::MAX).skipped(), u64::from(u32::MAX - 1) * 4_294_967_295);
        let behind = PortionBy::OlderThan { last: 7, limit: 5 };
        assert_eq!((behind.skipped(), behind.last(), behind.page()), (0, Some(&7), None));
    }

    #[test]
    fn one_more_than_was_asked_for_says_that_there_are_more() {
        assert_eq!(
            Page::of(vec![3, 2, 1], 9, 2),
            Page { items: vec![3, 2], total: 9, has_more: true }
        );
        assert_eq!(
            Page::of(vec![2, 1], 2, 2),
            Page { items: vec![2, 1], total: 2, has_more: false }
        );
    }
}
