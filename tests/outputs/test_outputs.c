/* Outputs change nothing (R2 of testbed/run.h), and what is said of a recording before it runs again. */
#include "testbed/rerun.h"
#include "tests/outputs/output_run.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(outputs, change_no_hash)
{
    static const struct {
        const char *name;
        struct output_run_options options;
    } cases[] = {
        {"nothing", {0}},
        {"a recording", {.record = true}},
        {"page states of one VM", {.record = true, .pages = "web"}},
        {"page states, and nowhere to write them", {.pages = "all"}},
        {"frames", {.record = true, .frames = true, .last = 5000}},
        {"frames, and nowhere to write them", {.frames = true}},
        {"captures", {.pcap = true}},
        {"captures of one link", {.pcap = true, .limits = {.link_glob = "node?/*"}}},
        {"some frames of captures",
         {.pcap = true, .limits = {.from = SIM_S, .until = 2 * SIM_S, .frames_max = 10}}},
        {"one interval of everything",
         {.record = true, .pages = "all", .frames = true, .pcap = true, .first = 9, .last = 99}},
        {"everything", {.record = true, .pages = "all", .frames = true, .pcap = true}},
    };
    static const char *const scenarios[] = {"small-migration", "lossy-link"};
    for (size_t s = 0; s < sizeof scenarios / sizeof scenarios[0]; s++) {
        uint64_t hash = 0;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct output_run_options options = cases[i].options;
            struct output_run run;
            options.scenario = scenarios[s];
            output_run(&run, &options);
            hash = i == 0 ? run.run_hash : hash;
            cr_expect_eq(run.run_hash, hash, "%s with %s: another run", scenarios[s],
                         cases[i].name);
            output_run_close(&run);
        }
    }
}

Test(outputs, a_recording_is_known_before_it_runs_again)
{
    static const struct {
        const char *name;
        const char *version;
        uint32_t percent; /* of the file that is left */
        const char *said;
    } cases[] = {
        {"whole", "1.0", 100, ""},
        {"of another version", "0.9", 100,
         "FILE: recorded by orrery 0.9; this is 1.0, whose run may be another"},
        {"cut", "1.0", 70, "its scenario is whole, and is run from the start"},
        {"of another version and cut", "0.9", 70, "recorded by orrery 0.9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct output_run run;
        char why[512], note[RERUN_NOTE_BYTES];
        size_t length;
        output_run(&run, &(struct output_run_options){.scenario = "lossy-link",
                                                      .record = true,
                                                      .version = cases[i].version});
        void *bytes = output_run_read(run.recording, &length);
        struct recording *recording =
            recording_open_bytes(bytes, length * cases[i].percent / 100, why, sizeof why);
        cr_assert_not_null(recording, "%s: %s", cases[i].name, why);
        rerun_note(recording, "FILE", "1.0", note);
        cr_expect(cases[i].said[0] != 0 ? strstr(note, cases[i].said) != NULL : note[0] == 0,
                  "%s: says '%s'", cases[i].name, note);
        recording_close(recording);
        free(bytes);
        output_run_close(&run);
    }
}
