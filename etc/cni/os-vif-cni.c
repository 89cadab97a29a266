/* SPDX-FileCopyrightText: The os-vif developers
 * SPDX-License-Identifier: Apache-2.0
 *
 * The CNI plugin that container runtimes execute: sends the environment and standard input to
 * os-vif cni-daemon, and prints the answer. Build: cc -O2 -static -o os-vif-cni os-vif-cni.c
 * OS_VIF_CNI_SOCKET is the path of another socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const names[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
                                    "CNI_IFNAME",  "CNI_ARGS",        "CNI_PATH"};
static char *data;
static size_t used, room;

static void append(const char *text, size_t length) {
    if (used + length + 1 > room) {
        room = 2 * (used + length + 1);
        if (!(data = realloc(data, room))) _exit(1);
    }
    memcpy(data + used, text, length);
    data[used += length] = 0;
}

static void read_all(int file) {
    char part[65536];
    ssize_t count;
    while ((count = read(file, part, sizeof part)) > 0 || (count < 0 && errno == EINTR))
        if (count > 0) append(part, count);
}

static int send_all(int file, const char *text, size_t length) {
    while (length) {
        ssize_t count = file == 1 ? write(file, text, length)
                                  : send(file, text, length, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        text += count, length -= count;
    }
    return 0;
}

/* Print the error for a daemon that does not answer. cniVersion is found without a JSON parser. */
static int unreachable(const char *input, const char *reason, const char *detail) {
    const char *command = getenv("CNI_COMMAND"), *found = strstr(input, "\"cniVersion\"");
    char version[16] = "1.1.0";
    if (found) {
        found += strlen("\"cniVersion\"");
        found += strspn(found, " \t\r\n:");
        size_t length = *found == '"' ? strspn(found + 1, "0123456789.") : 0;
        if (length && length < sizeof version && found[length + 1] == '"')
            memcpy(version, found + 1, length), version[length] = 0;
    }
    if (command && !strcmp(command, "VERSION"))
        return printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\","
                      "\"1.0.0\",\"1.1.0\"]}\n", version) < 0;
    printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"os-vif cni-daemon does not answer\","
           "\"details\":\"%s%s\"}\n", version, command && !strcmp(command, "STATUS") ? 50 : 11,
           reason, detail);
    return 1;
}

int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("OS_VIF_CNI_SOCKET");
    if (!path || !*path) path = "/run/os-vif/cni.sock";
    append("\0\0\0\0", 4);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const char *value = getenv(names[n]);
        append(names[n], strlen(names[n])), append("=", 1);
        append(value ? value : "", (value ? strlen(value) : 0) + 1);
    }
    size_t input = used;
    read_all(0);
    uint32_t length = htonl(used - 4);
    memcpy(data, &length, 4);
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof address.sun_path) errno = ENAMETOOLONG;
    else strcpy(address.sun_path, path), errno = 0;
    if (errno || sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address))
        return unreachable(data + input, "cannot connect: ", strerror(errno));
    send_all(sock, data, used); /* A refused caller gets an answer all the same. */
    size_t answer = used;
    read_all(sock);
    if (used == answer) return unreachable(data + input, "the daemon ended before the answer", "");
    if (send_all(1, data + answer + 1, used - answer - 1)) return 1;
    return (unsigned char)data[answer];
}
