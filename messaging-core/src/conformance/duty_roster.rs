//! How every duty roster must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use uuid::Uuid;

use crate::conformance::build::at;
use crate::domain::id::NodeId;
use crate::ports::duty_roster::{Duty, DutyRoster};

/// Calls the given macro with the name of every behavior of
/// [`DutyRoster`](crate::ports::duty_roster::DutyRoster). Each is a function of this module that
/// takes an empty roster.
#[macro_export]
macro_rules! for_each_duty_roster_behavior {
    ($test:ident) => {
        $test!(gives_a_duty_to_the_first_that_asks);
        $test!(lets_a_holder_go_on);
        $test!(gives_a_duty_on_when_its_term_is_over);
        $test!(gives_a_duty_on_when_it_is_laid_down);
        $test!(lays_down_only_what_is_the_nodes_own);
        $test!(keeps_duties_apart);
        $test!(gives_a_duty_once_however_many_ask);
    };
}

fn node(n: u128) -> NodeId {
    NodeId(Uuid::from_u128(n))
}

/// Nobody else has a duty while somebody's term goes on.
pub async fn gives_a_duty_to_the_first_that_asks(roster: &dyn DutyRoster) {
    assert!(roster.take(Duty::Recovery, node(1), at(10), at(0)).await.unwrap());
    assert!(!roster.take(Duty::Recovery, node(2), at(20), at(9)).await.unwrap());
}

/// Who has a duty may go on with it: the term then ends later, or earlier.
pub async fn lets_a_holder_go_on(roster: &dyn DutyRoster) {
    assert!(roster.take(Duty::Recovery, node(1), at(10), at(0)).await.unwrap());
    assert!(roster.take(Duty::Recovery, node(1), at(20), at(5)).await.unwrap());
    assert!(!roster.take(Duty::Recovery, node(2), at(30), at(15)).await.unwrap());
    assert!(roster.take(Duty::Recovery, node(1), at(16), at(15)).await.unwrap());
    assert!(roster.take(Duty::Recovery, node(2), at(30), at(16)).await.unwrap());
}

/// A node that does not come back loses the duty, and learns so should it come back after all.
pub async fn gives_a_duty_on_when_its_term_is_over(roster: &dyn DutyRoster) {
    assert!(roster.take(Duty::Recovery, node(1), at(10), at(0)).await.unwrap());
    assert!(roster.take(Duty::Recovery, node(2), at(20), at(10)).await.unwrap());
    assert!(!roster.take(Duty::Recovery, node(1), at(20), at(11)).await.unwrap());
}

/// What is laid down need not be waited for.
pub async fn gives_a_duty_on_when_it_is_laid_down(roster: &dyn DutyRoster) {
    assert!(roster.take(Duty::Recovery, node(1), at(10), at(0)).await.unwrap());
    roster.lay_down(Duty::Recovery, node(1)).await.unwrap();
    assert!(roster.take(Duty::Recovery, node(2), at(20), at(1)).await.unwrap());
}

/// Nobody lays down another's duty, nor one that nobody has.
pub async fn lays_down_only_what_is_the_nodes_own(roster: &dyn DutyRoster) {
    roster.lay_down(Duty::Recovery, node(2)).await.unwrap();
    assert!(roster.take(Duty::Recovery, node(1), at(10), at(0)).await.unwrap());
    roster.lay_down(Duty::Recovery, node(2)).await.unwrap();
    roster.lay_down(Duty::SessionWatch, node(1)).await.unwrap();
    assert!(!roster.take(Duty::Recovery, node(2), at(20), at(1)).await.unwrap());
}

/// Each duty has its own holder.
pub async fn keeps_duties_apart(roster: &dyn DutyRoster) {
    for (n, duty) in (0..).zip(Duty::ALL) {
        assert!(roster.take(*duty, node(n), at(10), at(0)).await.unwrap(), "{duty}");
    }
    for duty in Duty::ALL {
        assert!(!roster.take(*duty, node(99), at(10), at(0)).await.unwrap(), "{duty}");
    }
}

/// Of many that ask at once one is told that the duty is its.
pub async fn gives_a_duty_once_however_many_ask(roster: &dyn DutyRoster) {
    let asked = (0..16).map(|n| roster.take(Duty::Recovery, node(n), at(10), at(0)));
    let told = futures::future::join_all(asked).await;
    assert_eq!(told.into_iter().filter(|each| *each.as_ref().unwrap()).count(), 1);
}
