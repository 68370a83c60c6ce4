//! Reading files: those that cannot be read, those that are too large, and one as large as any.

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;

    use rvs_conf::{ConfErrors, Machine, Rule, load, parse, parse_bytes};

    /// The only error of a file.
    fn only(errors: &ConfErrors) -> (Rule, &str, &str) {
        let [error] = errors.errors() else { panic!("one error expected:\n{errors}") };
        (error.rule(), error.message(), error.help())
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let missing = directory.path().join("absent.yaml");
        let errors = load(&missing, &Machine::default()).expect_err("no file");
        let (rule, message, help) = only(&errors);
        assert_eq!(rule, Rule::Unreadable);
        assert!(message.ends_with("absent.yaml: there is no such file"), "{message}");
        assert!(help.contains("conf/examples"), "{help}");
        assert_eq!(errors.errors()[0].position(), None);
        assert!(errors.to_string().contains("1 error in "), "{errors}");

        let errors = load(directory.path(), &Machine::default()).expect_err("a directory");
        assert!(only(&errors).1.ends_with("it is a directory"), "{errors}");
    }

    #[test]
    fn a_file_that_is_not_text_shows_the_place() {
        let bytes = b"version: 1\nworkers: [\xff]\n";
        let errors = parse_bytes("f.yaml", bytes, &Machine::default()).expect_err("not UTF-8");
        assert_eq!(only(&errors).0, Rule::Unreadable);
        assert_eq!(errors.errors()[0].position(), Some((2, 11)));
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        let text =
            "\u{feff}version: 1\nworkers: [1]\nports: {a: {device: net_null0}}\nservices: {}";
        parse("f.yaml", text, &Machine::default()).unwrap_or_else(|errors| panic!("{errors}"));
    }

    #[test]
    fn a_huge_file_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("huge.yaml");
        let file = fs::File::create(&path).expect("a file");
        // Sparse, so the test writes nothing.
        file.set_len(1 << 40).expect("a sparse file");
        let errors = load(&path, &Machine::default()).expect_err("too large");
        assert!(only(&errors).1.ends_with("is larger than 64 MiB"), "{errors}");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let item = format!("*a{}, ", level - 1);
            writeln!(text, "a{level}: &a{level} [{}]", item.repeat(10)).expect("a string grows");
        }
        let errors = parse("bomb.yaml", &text, &Machine::default()).expect_err("a bomb");
        assert_eq!(only(&errors).0, Rule::TooComplex, "{errors}");
    }

    /// A file with `services` services of ten real servers each.
    fn large(services: u32) -> String {
        let mut text = "version: 1\nworkers: [1]\nports:\n  lan: {device: net_null0, addresses: \
                        [10.0.0.2/8]}\nservices:\n"
            .to_owned();
        for service in 0..services {
            let (high, low) = (service / 250, service % 250 + 1);
            write!(text, "  service-{service}:\n    vip: 192.0.{high}.{low}:80\n")
                .expect("a string grows");
            text.push_str("    protocol: tcp\n    mode: nat\n    real_servers:\n");
            for real in 1..=10 {
                writeln!(text, "      - {{address: 10.{real}.{high}.{low}:8080, weight: {real}}}")
                    .expect("a string grows");
            }
        }
        text
    }

    #[test]
    fn ten_thousand_services_with_ten_real_servers_load() {
        let text = large(10_000);
        let config = parse("large.yaml", &text, &Machine::default())
            .unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.services.len(), 10_000);
        assert!(config.services.iter().all(|service| service.real_servers.len() == 10));
    }

    #[test]
    fn a_mistake_repeated_everywhere_is_cut_off() {
        let text = large(1_000).replace("weight: ", "wieght: ");
        let errors = parse("large.yaml", &text, &Machine::default()).expect_err("mistakes");
        assert_eq!(errors.errors().len(), 1_000);
        assert_eq!(errors.dropped(), 9_000);
        let report = errors.to_string();
        assert!(report.ends_with("10000 errors in large.yaml (9000 more than shown)"));
        assert!(report.contains("service-0") && report.contains("did you mean `weight`?"));
    }

    #[test]
    fn without_facts_about_the_machine_any_cpu_may_be_a_worker() {
        let text =
            "version: 1\nworkers: [700, \"5-6\"]\nports: {a: {device: net_null0}}\nservices: {}";
        let config =
            parse("f.yaml", text, &Machine::default()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.workers, [700, 5, 6]);
        let none = Machine { cpus: Some(Vec::new()) };
        let errors = parse("f.yaml", text, &none).expect_err("no such CPUs");
        let rules: Vec<Rule> = errors.errors().iter().map(|error| error.rule()).collect();
        assert_eq!(rules, [Rule::NoSuchCpu, Rule::NoSuchCpu]);
    }

    #[test]
    fn what_an_alias_repeats_is_reported_once() {
        let text = "\
version: 1
workers: [1]
ports: {a: {device: net_null0, addresses: [10.0.0.2/24]}}
services:
  a:
    {vip: 10.0.0.9:80, protocol: tcp, mode: nat, real_servers: &pool [{address: 10.1.0.1:80}]}
  b:
    {vip: 10.0.0.9:81, protocol: tcp, mode: nat, real_servers: *pool}
";
        let errors = parse("f.yaml", text, &Machine::default()).expect_err("unreachable");
        assert_eq!(only(&errors).0, Rule::Unreachable, "{errors}");
        assert_eq!(errors.errors()[0].position(), Some((6, 81)));
    }

    #[test]
    fn colours_are_only_added_when_asked_for() {
        let errors = parse("f.yaml", "version: 2\n", &Machine::default()).expect_err("wrong");
        assert!(!errors.to_string().contains('\u{1b}'));
        let coloured = errors.render(true);
        assert!(coloured.contains("\u{1b}[1;31merror[bad-value]\u{1b}[0m"), "{coloured}");
    }
}
