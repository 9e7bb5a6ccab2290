#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ossb.h"

static _Noreturn void out_of_memory(void)
{
    errno = ENOMEM;
    fail("allocate memory", "");
}

void *allocate(size_t size)
{
    return reallocate(NULL, size);
}

void *reallocate(void *memory, size_t size)
{
    void *result = realloc(memory, size ? size : 1);
    if (!result)
        out_of_memory();
    return result;
}

char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(allocate(size), text, size);
}

void buffer_reserve(struct buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more;
    if (needed < more)
        out_of_memory();
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    buffer->data = reallocate(buffer->data, capacity);
    buffer->capacity = capacity;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t count)
{
    buffer_reserve(buffer, count);
    memcpy(buffer->data + buffer->length, bytes, count);
    buffer->length += count;
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_number(struct buffer *buffer, long long number)
{
    char digits[24];
    size_t at = sizeof digits;
    unsigned long long rest = number < 0 ? 0ULL - (unsigned long long)number : (unsigned long long)number;
    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (number < 0)
        digits[--at] = '-';
    buffer_add(buffer, digits + at, sizeof digits - at);
}

void buffer_json(struct buffer *buffer, const char *text)
{
    static const char HEX[] = "0123456789abcdef";
    buffer_add(buffer, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            char escaped[2] = {'\\', (char)*c};
            buffer_add(buffer, escaped, sizeof escaped);
        } else if (*c < 0x20 || *c == 0x7f) {
            char escaped[6] = {'\\', 'u', '0', '0', HEX[*c >> 4], HEX[*c & 15]};
            buffer_add(buffer, escaped, sizeof escaped);
        } else {
            buffer_add(buffer, c, 1);
        }
    }
    buffer_add(buffer, "\"", 1);
}

int write_all(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t written = write(fd, at, count);
        if (written >= 0) {
            at += written;
            count -= (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int read_to_end(int fd, struct buffer *buffer, size_t limit)
{
    for (;;) {
        buffer_reserve(buffer, 65536);
        ssize_t count = read(fd, buffer->data + buffer->length, 65536);
        if (count == 0)
            return 0;
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        buffer->length += (size_t)count;
        if (buffer->length > limit) {
            errno = E2BIG;
            return -1;
        }
    }
}

int parse_number(const char *text, unsigned long long maximum, unsigned long long *number)
{
    unsigned long long value = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        unsigned digit = (unsigned)(*c - '0');
        if (value > (maximum - digit) / 10 || digit > maximum)
            break;
        value = value * 10 + digit;
    }
    if (c == text || *c != '\0') {
        errno = EINVAL;
        return -1;
    }
    *number = value;
    return 0;
}
