//! What a flow hangs on, in IPVS' sense of a connection that another one controls.
//!
//! What controls others does not end before them: a persistence template, as long as connections of
//! its client live, and an FTP control connection, as long as its data connections do. Controlled
//! flows are never scheduled anew in place.

use std::fmt;

use super::FlowIdx;
use crate::limits::{FLOW_COUNT_MAX, TEMPLATE_COUNT_MAX};
use crate::time::Ticks;

/// Place of a persistence template in its worker's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateIdx(pub(crate) u32);

/// What controls a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// A persistence template.
    Template(TemplateIdx),
    /// The control connection of an application, such as FTP's.
    Flow(FlowIdx),
}

/// A [`Controller`] if there is one, and whether the flow itself has a helper that reads its
/// payload (FTP's control connection); in the four bytes that are left in a flow's record.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Control(u32);

const TEMPLATE: u32 = 1 << 30;
const FLOW: u32 = 2 << 30;
const KIND: u32 = 3 << 30;
const HELPED: u32 = 1 << 29;
const UNASSURED: u32 = 1 << 28;
const INDEX: u32 = UNASSURED - 1;

const _: () = assert!(FLOW_COUNT_MAX <= INDEX && TEMPLATE_COUNT_MAX <= INDEX);

impl Controller {
    /// A control connection at another worker, whose place means nothing here.
    pub const ELSEWHERE: Self = Self::Flow(FlowIdx(INDEX));
}

/// How long something lives on that is due while it still controls others, and is asked again.
pub const CONTROLLING_RETRY: Ticks = Ticks::from_secs(60);

impl Control {
    /// Nothing controls the flow, and it has no helper.
    pub const NONE: Self = Self(0);

    /// The same with this controller.
    #[must_use]
    pub const fn by(self, controller: Controller) -> Self {
        let bits = match controller {
            Controller::Template(TemplateIdx(index)) => TEMPLATE | index & INDEX,
            Controller::Flow(FlowIdx(index)) => FLOW | index & INDEX,
        };
        Self(self.0 & HELPED | bits)
    }

    /// The same, with the template to hear when the connection gets through.
    #[must_use]
    pub const fn unassured(self) -> Self {
        Self(self.0 | UNASSURED)
    }

    /// The same, when it has heard.
    #[must_use]
    pub const fn assured(self) -> Self {
        Self(self.0 & !UNASSURED)
    }

    /// Whether the template that controls the flow is to hear when the connection gets through.
    #[inline(always)]
    #[must_use]
    pub const fn is_unassured(self) -> bool {
        self.0 & UNASSURED != 0
    }

    /// The same with a helper.
    #[must_use]
    pub const fn with_helper(self) -> Self {
        Self(self.0 | HELPED)
    }

    /// What controls the flow.
    #[inline]
    #[must_use]
    pub const fn controller(self) -> Option<Controller> {
        let index = self.0 & INDEX;
        match self.0 & KIND {
            TEMPLATE => Some(Controller::Template(TemplateIdx(index))),
            FLOW => Some(Controller::Flow(FlowIdx(index))),
            _ => None,
        }
    }

    /// Whether something controls the flow.
    #[inline(always)]
    #[must_use]
    pub const fn is_controlled(self) -> bool {
        self.0 & KIND != 0
    }

    /// Whether a helper reads the flow's payload.
    #[inline(always)]
    #[must_use]
    pub const fn has_helper(self) -> bool {
        self.0 & HELPED != 0
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.controller())?;
        if self.has_helper() { f.write_str(", helped") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_assures_its_template_once() {
        let template = Control::NONE.with_helper().by(Controller::Template(TemplateIdx(7)));
        let unassured = template.unassured();
        assert!(unassured.is_unassured() && !template.is_unassured());
        assert_eq!((unassured.controller(), unassured.has_helper()), (template.controller(), true));
        assert_eq!(unassured.assured(), template);
        assert!(!unassured.by(Controller::Flow(FlowIdx(1))).is_unassured());
    }

    #[test]
    fn a_controller_and_a_helper_do_not_disturb_each_other() {
        let template = Controller::Template(TemplateIdx(INDEX));
        let flow = Controller::Flow(FlowIdx(99_999_999));
        assert_eq!((Control::NONE.controller(), Control::NONE.has_helper()), (None, false));
        for controller in [template, flow] {
            let plain = Control::NONE.by(controller);
            assert_eq!((plain.controller(), plain.has_helper()), (Some(controller), false));
            for helped in [plain.with_helper(), Control::NONE.with_helper().by(controller)] {
                assert!(helped.is_controlled() && helped.has_helper());
                assert_eq!(helped.controller(), Some(controller));
            }
        }
        assert_eq!(Control::NONE.by(template).by(flow).controller(), Some(flow));
        assert!(!Control::NONE.with_helper().is_controlled());
    }
}
