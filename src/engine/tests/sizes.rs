//! F37: plans as large as they get. What is printed is the time that the engine itself takes; no test
//! asserts it.

use super::*;

/// As many steps, each of which needs up to three of the hundred before it.
fn net(steps: usize) -> Plan {
    let name = |number: usize| format!("s{number}");
    let steps = (0..steps).map(|number| {
        let before = [1, 10, 97].iter().filter_map(|back| number.checked_sub(*back));
        let names: Vec<String> = before.filter(|_| number % 100 != 0).map(name).collect();
        let step = script(&name(number), "sleep 0.01");
        Step { needs: Some(Needs::All(names.iter().map(|name| id(name)).collect())), ..step }
    });
    plan([stage("net", steps)])
}

/// Programs that ran at the same time, at most.
fn most_at_once(ran: &Ran) -> usize {
    let (mut now, mut most) = (0usize, 0);
    for call in ran.fake.calls() {
        match call {
            Call::Began(..) => now += 1,
            Call::Ended(..) => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn five_hundred_steps_run_at_once_and_start_in_the_order_of_the_file() {
    for jobs in [16, 500] {
        let names: Vec<String> = (0..500).map(|number| format!("s{number}")).collect();
        let wide = plan([stage("wide", names.iter().map(|name| script(name, "echo on; sleep 5")))]);
        let ran = setup(wide).jobs(jobs).run().await;
        assert_eq!(ran.verdict(), "passed");
        assert_eq!(most_at_once(&ran), jobs);
        let story = ran.story();
        let started: Vec<&str> = story.iter().filter_map(|line| line.strip_suffix(" started")).collect();
        // The tasks of one round run side by side, the rounds do not.
        let place = |name: &str| started.iter().position(|other| other == &name).expect("it started");
        for (number, name) in names.iter().enumerate() {
            let early = place(name).abs_diff(number);
            assert!(early <= jobs + 3, "{name} came {early} places off with {jobs} jobs");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_steps_with_needs_run_in_their_order() {
    for steps in [1_000, 10_000] {
        let large = net(steps);
        let needs: BTreeMap<StepId, Vec<StepId>> = large
            .all_steps()
            .map(|(_, step)| match &step.needs {
                Some(Needs::All(names)) => (step.id.clone(), names.clone()),
                _ => (step.id.clone(), vec![]),
            })
            .collect();
        let start = std::time::Instant::now();
        let ran = setup(large).jobs(64).run().await;
        println!("{steps} steps: {:?} each", start.elapsed() / u32::try_from(steps).unwrap_or(u32::MAX));
        assert_eq!(ran.verdict(), "passed");
        let mut ended = std::collections::BTreeSet::new();
        for call in ran.fake.calls() {
            match call {
                Call::Began(step, _) => {
                    assert!(needs[&step].iter().all(|need| ended.contains(need)), "{step}");
                }
                Call::Ended(step, ..) => _ = ended.insert(step),
                _ => {}
            }
        }
        assert_eq!(ended.len(), steps);
    }
}
