/* An OTDR by libmodbus, for the tests: the registers of silkline-otdr-modbus, its trace in files of
 * records (function 20) too.
 *
 *   modbus_otdr FILE [REGISTERS]    hands FILE out half a second after each start, on a free port of this
 *                                   machine, so many registers (100 as a rule) a window
 *
 * Says "ready PORT" when it listens; ends when its standard input does.
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STATE = 1, NUMBER = 3, BYTES = 5, SUM = 7, WINDOW = 1000, SHOT = 100, INDEX = 110 };
enum { RECORDS = 10000, MOST = 1 << 20 };

static uint8_t trace[MOST];
static size_t length, block = 100;
static struct timespec started;
static modbus_mapping_t *map;

static int waits(int fd)
{
    struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(both, 2, -1) >= 0 || errno == EINTR) {
        if (both[1].revents)
            return 0;
        if (both[0].revents)
            return 1;
    }
    return 0;
}

static uint32_t sum_of(const uint8_t *bytes, size_t count)
{
    uint32_t sum = 0xFFFFFFFF;
    for (size_t at = 0; at < count; at++) {
        sum ^= bytes[at];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0xEDB88320 : sum >> 1;
    }
    return ~sum;
}

static void put(int at, uint32_t value)
{
    map->tab_input_registers[at] = value >> 16;
    map->tab_input_registers[at + 1] = value & 0xFFFF;
}

static uint16_t word(size_t at)
{
    uint8_t high = 2 * at < length ? trace[2 * at] : 0;
    uint8_t low = 2 * at + 1 < length ? trace[2 * at + 1] : 0;
    return high << 8 | low;
}

static void look(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double since = now.tv_sec - started.tv_sec + (now.tv_nsec - started.tv_nsec) * 1e-9;
    uint16_t *state = map->tab_input_registers + STATE;
    if (*state == 1 && since > 0.5) {
        *state = 2;
        map->tab_input_registers[NUMBER + 1]++;
        put(BYTES, length);
        put(SUM, sum_of(trace, length));
    }
}

/* Function 20, which libmodbus does not know: it has read no further than the function code. */
static void records(int fd, uint8_t *request)
{
    size_t rest = (request[4] << 8 | request[5]) - 2;
    if (rest > 200 || recv(fd, request + 8, rest, MSG_WAITALL) != (ssize_t)rest)
        return;
    const uint8_t *ask = request + 8;
    size_t file = ask[2] << 8 | ask[3], first = ask[4] << 8 | ask[5], count = ask[6] << 8 | ask[7];
    uint8_t answer[260];
    memcpy(answer, request, 8);
    size_t body;
    if (rest != 8 || ask[0] != 7 || ask[1] != 6 || count > 120 || first + count > RECORDS || !file) {
        answer[7] |= 0x80;
        answer[8] = 2;
        body = 1;
    } else {
        answer[8] = 2 + 2 * count;
        answer[9] = 1 + 2 * count;
        answer[10] = 6;
        for (size_t at = 0; at < count; at++) {
            uint16_t value = word((file - 1) * RECORDS + first + at);
            answer[11 + 2 * at] = value >> 8;
            answer[12 + 2 * at] = value & 0xFF;
        }
        body = 3 + 2 * count;
    }
    answer[4] = (2 + body) >> 8;
    answer[5] = (2 + body) & 0xFF;
    (void)!write(fd, answer, 8 + body);
}

static void take(modbus_t *device, const uint8_t *request, int size)
{
    int writes = request[7] == 16, at = request[8] << 8 | request[9];
    uint16_t *state = map->tab_input_registers + STATE;
    if (writes && at == SHOT && *state == 1) {
        modbus_reply_exception(device, request, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
        return;
    }
    modbus_reply(device, request, size, map);
    if (writes && at == SHOT && map->tab_registers[SHOT + 4] == 1) {
        *state = 1;
        clock_gettime(CLOCK_MONOTONIC, &started);
    }
    if (writes && at == SHOT + 4 && map->tab_registers[SHOT + 4] == 2)
        *state = 0;
    if (writes && at == INDEX)
        for (size_t i = 0; i < block; i++)
            map->tab_input_registers[WINDOW + i] = word(map->tab_registers[INDEX] * block + i);
}

static void serve(modbus_t *device)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int fd = modbus_get_socket(device);
    while (waits(fd)) {
        int size = modbus_receive(device, request);
        look();
        if (size > 0 && request[7] == 20)
            records(fd, request);
        else if (size > 0)
            take(device, request, size);
        else if (size < 0)
            return;
    }
    exit(0);
}

int main(int count, char **argument)
{
    FILE *file = count == 2 || count == 3 ? fopen(argument[1], "rb") : NULL;
    if (count == 3)
        block = strtoul(argument[2], NULL, 10);
    if (!file || !block || block > 4000)
        return 1;
    length = fread(trace, 1, MOST, file);
    map = modbus_mapping_new(0, 0, 200, WINDOW + block);
    map->tab_input_registers[0] = 2;
    map->tab_input_registers[2] = 312;
    modbus_t *device = modbus_new_tcp("127.0.0.1", 0);
    int listener = device ? modbus_tcp_listen(device, 1) : -1;
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&here, &size))
        return 1;
    printf("ready %d\n", ntohs(here.sin_port));
    fflush(stdout);
    while (waits(listener))
        if (modbus_tcp_accept(device, &listener) >= 0)
            serve(device);
    return 0;
}
