#include <string.h>
#include <unistd.h>

#include "ossb.h"

static const struct {
    const char *name;
    int (*command)(int argc, char **argv);
} COMMANDS[] = {
    {"run", command_run},   {"map", command_map},   {"probe", command_probe},
    {"walk", command_walk}, {"fsop", command_fsop}, {"trace", command_trace},
};

static const char USAGE[] =
    "usage: ossb-helper run SPEC-FD EVENT-FD\n"
    "       ossb-helper trace SPEC-FD EVENT-FD SCRATCH\n"
    "       ossb-helper map EVENT-FD user UID-RANGES GID-RANGES COMMAND...\n"
    "       ossb-helper map EVENT-FD one-id|root|none COMMAND...\n"
    "       ossb-helper probe DIRECTORY\n"
    "       ossb-helper walk DIRECTORY\n"
    "       ossb-helper fsop\n";

int main(int argc, char **argv)
{
    if (argc >= 2)
        for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++)
            if (!strcmp(argv[1], COMMANDS[i].name))
                return COMMANDS[i].command(argc - 2, argv + 2);
    write_all(2, USAGE, sizeof USAGE - 1);
    return EXIT_HELPER_FAILURE;
}
