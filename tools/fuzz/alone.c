/* Runs a fuzz target where there is no libFuzzer: on cases at random, each of which is written down before.
 *
 *   target SECONDS SEED FILE      what is in FILE after a crash is the case
 *   target FILE                   that case again
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096, ROUND = 64 };

static uint8_t data[LONGEST];
static uint64_t state;

static uint64_t at_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

static size_t make(void)
{
    const size_t length = at_random() % (at_random() % 4 ? 200 : LONGEST);
    for (size_t size = 0; size < length; size++)
        data[size] = (uint8_t)(at_random() >> 8);
    return length;
}

int main(int number, char **arguments)
{
    const int file = number == 4   ? open(arguments[3], O_RDWR | O_CREAT | O_TRUNC, 0600)
                     : number == 2 ? open(arguments[1], O_RDONLY)
                                   : -1;
    if (file < 0) {
        fprintf(stderr, "usage: %s SECONDS SEED FILE, or FILE\n", arguments[0]);
        return 2;
    }
    if (number == 2) {
        const ssize_t size = read(file, data, sizeof data);
        return size < 0 || LLVMFuzzerTestOneInput(data, (size_t)size);
    }
    const time_t end = time(NULL) + atoi(arguments[1]);
    unsigned long long cases = 0;
    state = strtoull(arguments[2], NULL, 10);
    for (; time(NULL) < end || cases == 0; cases += ROUND) {
        for (int k = 0; k < ROUND; k++) {
            const size_t size = make();
            if (pwrite(file, data, size, 0) != (ssize_t)size || ftruncate(file, (off_t)size) != 0)
                return 2;
            LLVMFuzzerTestOneInput(data, size);
        }
    }
    printf("Done %llu runs\n", cases);
    return 0;
}
