//! Debug output that names what it shows, so that nothing personal is shown by default.

/// Implements `Debug` showing only the listed fields.
///
/// A derived `Debug` prints every field, so one forgotten field would put message text, a phone
/// number or a key into a log. Here a field stays hidden until somebody lists it.
macro_rules! debug_shows {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter
                    .debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use debug_shows;
