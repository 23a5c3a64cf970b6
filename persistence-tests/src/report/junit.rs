//! JUnit XML, for whatever shows test results.

use super::{Report, Status};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

impl Report {
    /// One suite a driver and suite; ignored and waived cases are skipped ones with their reasons.
    pub fn junit(&self) -> String {
        let mut report = quick_junit::Report::new("conformance");
        for d in &self.drivers {
            if let Some(reason) = &d.skipped {
                let mut suite = TestSuite::new(d.driver.as_str());
                suite.add_test_case(TestCase::new("the run as a whole", skipped(reason)));
                report.add_test_suite(suite);
            }
            for name in self.suites() {
                let mut suite = TestSuite::new(format!("{}/{name}", d.driver));
                for c in d.cases.iter().filter(|c| c.suite == name) {
                    let status = match &c.status {
                        Status::Passed => TestCaseStatus::success(),
                        Status::Failed { message } => {
                            let mut s = TestCaseStatus::non_success(NonSuccessKind::Failure);
                            s.set_message(message.lines().next().unwrap_or_default());
                            s.set_description(message.as_str());
                            s
                        }
                        Status::Ignored { reason } => skipped(reason),
                        Status::Waived { reason, .. } => skipped(&format!("waived: {reason}")),
                    };
                    let mut case = TestCase::new(c.id.as_str(), status);
                    case.set_classname(format!("{}.{name}.{}", d.driver, c.group()));
                    case.set_time(Duration::try_from_secs_f64(c.seconds).unwrap_or_default());
                    suite.add_test_case(case);
                }
                if !d.problems.is_empty() && name == self.suites()[0] {
                    let mut s = TestCaseStatus::non_success(NonSuccessKind::Error);
                    s.set_message(d.problems.join("; "));
                    suite.add_test_case(TestCase::new("the run as a whole", s));
                }
                if !suite.test_cases.is_empty() {
                    report.add_test_suite(suite);
                }
            }
        }
        report.to_string().unwrap()
    }
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut s = TestCaseStatus::skipped();
    s.set_message(reason);
    s
}
