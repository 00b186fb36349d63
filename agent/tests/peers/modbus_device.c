/* A Modbus device by libmodbus, for the tests: register n of each space holds n + 1.
 *
 *   modbus_device tcp            any unit, on a free port of this machine
 *   modbus_device rtu PATH UNIT  one unit on a serial line
 *
 * Says "ready PORT" when it listens; ends when its standard input does.
 */
#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

static int ready(int port)
{
    printf("ready %d\n", port);
    return fflush(stdout);
}

/* Whether there is something to read on `fd` before standard input ends. */
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

static void serve(modbus_t *device, modbus_mapping_t *map)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    while (waits(modbus_get_socket(device))) {
        int length = modbus_receive(device, request);
        if (length > 0)
            modbus_reply(device, request, length, map);
        else if (length < 0 && errno != EMBBADCRC && errno != ETIMEDOUT)
            return;
    }
    exit(0);
}

int main(int count, char **argument)
{
    modbus_mapping_t *map = modbus_mapping_new(64, 64, 300, 300);
    for (int at = 0; at < 300; at++)
        map->tab_registers[at] = map->tab_input_registers[at] = at + 1;
    for (int at = 0; at < 64; at++)
        map->tab_bits[at] = map->tab_input_bits[at] = at % 3 == 0;
    if (count == 4 && strcmp(argument[1], "rtu") == 0) {
        modbus_t *device = modbus_new_rtu(argument[2], 115200, 'N', 8, 2);
        if (!device || modbus_set_slave(device, atoi(argument[3])) || modbus_connect(device))
            return 1;
        ready(0);
        for (;;)
            serve(device, map);
    }
    modbus_t *device = modbus_new_tcp("127.0.0.1", 0);
    int listener = device ? modbus_tcp_listen(device, 1) : -1;
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&here, &size))
        return 1;
    ready(ntohs(here.sin_port));
    while (waits(listener))
        if (modbus_tcp_accept(device, &listener) >= 0)
            serve(device, map);
    return 0;
}
