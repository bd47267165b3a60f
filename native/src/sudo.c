// SPDX-License-Identifier: Apache-2.0
// A `sudo` that grants nothing: whoever calls it is already the root of the sandbox's user namespace, and no_new_privs keeps it so.
// It exists because workflow files say `sudo apt-get install`. It understands the flags that build scripts use and refuses the rest.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport.h"

#define FILE_MAX_BYTES (1 << 20)
#define ID_MAX 65534
#define DEFAULT_SHELL "/bin/bash"

struct user {
  uid_t uid;
  gid_t gid;
  char name[64], home[256];
};

struct options {
  const char *user, *group, *directory;
  int login, shell, set_home, list, time_stamp;
};

static void refuse(const char *what, const char *which) __attribute__((noreturn));
static void refuse(const char *what, const char *which) {
  fprintf(stderr, "sudo (sallyport): %s%s%s\n", what, which ? ": " : "", which ? which : "");
  exit(1);
}

// ---- users: a static C library cannot load the modules that getpwnam needs, so /etc/passwd is read here. It may be the job's own work.

static char *read_database(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return NULL;
  char *text = malloc(FILE_MAX_BYTES + 1);
  if (!text) refuse("out of memory", NULL);
  size_t used = 0;
  ssize_t got;
  while (used < FILE_MAX_BYTES && (got = read(fd, text + used, FILE_MAX_BYTES - used)) > 0) used += (size_t)got;
  text[used] = 0;
  close(fd);
  return text;
}

static int parse_id(const char *text, unsigned *id) {
  char *end;
  if (text[0] < '0' || text[0] > '9') return -1;
  unsigned long value = strtoul(text, &end, 10);
  if (*end || value > ID_MAX) return -1;
  *id = (unsigned)value;
  return 0;
}

// Splits one `a:b:c` line in place. Returns the number of fields.
static int split(char *line, char **fields, int max) {
  int found = 0;
  while (line && found < max) fields[found++] = strsep(&line, ":");
  return found;
}

// The line whose name (field 0) or number (field 2) is `wanted`; a leading `#` means the number, as in the real sudo.
static int find_line(char *text, const char *wanted, char **fields, int count) {
  int by_number = wanted[0] == '#';
  for (char *line; (line = strsep(&text, "\n"));) {
    if (split(line, fields, count) < count) continue;
    if (strcmp(by_number ? fields[2] : fields[0], by_number ? wanted + 1 : wanted) == 0) return 0;
  }
  return -1;
}

static void copy(char *to, size_t size, const char *from) {
  if (strlen(from) >= size) refuse("a field of /etc/passwd is too long", from);
  strcpy(to, from);
}

static struct user find_user(const char *wanted) {
  struct user user = {.uid = 0, .gid = 0, .name = "root", .home = "/root"};
  char *fields[7], *text = read_database("/etc/passwd");
  if (text && find_line(text, wanted, fields, 7) == 0) {
    if (parse_id(fields[2], &user.uid) != 0 || parse_id(fields[3], &user.gid) != 0) refuse("bad entry in /etc/passwd", wanted);
    copy(user.name, sizeof user.name, fields[0]);
    copy(user.home, sizeof user.home, fields[5]);
  } else if (wanted[0] == '#' && parse_id(wanted + 1, &user.uid) == 0) {
    user.gid = user.uid;
    copy(user.name, sizeof user.name, wanted + 1);
    copy(user.home, sizeof user.home, "/");
  } else if (strcmp(wanted, "root") != 0) {
    refuse("unknown user", wanted);
  }
  free(text);
  return user;
}

static gid_t find_group(const char *wanted) {
  gid_t gid = 0;
  char *fields[4], *text = read_database("/etc/group");
  if (text && find_line(text, wanted, fields, 4) == 0) {
    if (parse_id(fields[2], &gid) != 0) refuse("bad entry in /etc/group", wanted);
  } else if (wanted[0] != '#' || parse_id(wanted + 1, &gid) != 0) {
    refuse("unknown group", wanted);
  }
  free(text);
  return gid;
}

// ---- the command line

struct flag {
  char letter;
  const char *name;
  int takes_value;
};

// `E` and `preserve-env`: the environment is always kept. `n`, `S`, `A`, `P`, `p`: there is nothing to ask.
static const struct flag flags[] = {
    {'n', "non-interactive", 0}, {'S', "stdin", 0},    {'A', "askpass", 0},         {'P', "preserve-groups", 0},   {'p', "prompt", 1},
    {'E', "preserve-env", 0},    {'H', "set-home", 0}, {'k', "reset-timestamp", 0}, {'K', "remove-timestamp", 0},  {'v', "validate", 0},
    {'i', "login", 0},           {'s', "shell", 0},    {'u', "user", 1},            {'g', "group", 1},             {'D', "chdir", 1},
    {'l', "list", 0},
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

struct arguments {
  int count, at;
  char **values;
};

static void apply_flag(struct options *options, char letter, const char *value) {
  switch (letter) {
    case 'H': options->set_home = 1; break;
    case 'i': options->login = 1; break;
    case 's': options->shell = 1; break;
    case 'l': options->list = 1; break;
    case 'k': case 'K': case 'v': options->time_stamp = 1; break;
    case 'u': options->user = value; break;
    case 'g': options->group = value; break;
    case 'D': options->directory = value; break;
    default: break;
  }
}

static const char *next_value(struct arguments *arguments) {
  const char *flag = arguments->values[arguments->at];
  if (++arguments->at >= arguments->count) refuse("this option needs a value", flag);
  return arguments->values[arguments->at];
}

// One argument of short flags, such as `-nE` or `-uroot`.
static void apply_short(struct options *options, struct arguments *arguments) {
  const char *text = arguments->values[arguments->at];
  for (const char *letter = text + 1; *letter; letter++) {
    size_t i = 0;
    while (i < FLAG_COUNT && flags[i].letter != *letter) i++;
    if (i == FLAG_COUNT) refuse("unknown option", text);
    if (flags[i].takes_value) {
      apply_flag(options, *letter, letter[1] ? letter + 1 : next_value(arguments));
      return;
    }
    apply_flag(options, *letter, NULL);
  }
}

// `--user=root`, `--user root`, `--preserve-env=LIST`.
static void apply_long(struct options *options, struct arguments *arguments) {
  const char *text = arguments->values[arguments->at], *name = text + 2;
  size_t size = strcspn(name, "=");
  const char *value = name[size] == '=' ? name + size + 1 : NULL;
  for (size_t i = 0; i < FLAG_COUNT; i++) {
    if (strlen(flags[i].name) != size || strncmp(flags[i].name, name, size) != 0) continue;
    if (value && !flags[i].takes_value && flags[i].letter != 'E') refuse("this option takes no value", text);
    apply_flag(options, flags[i].letter, flags[i].takes_value && !value ? next_value(arguments) : value);
    return;
  }
  refuse("unknown option", text);
}

static int is_assignment(const char *text) {
  size_t size = strcspn(text, "=");
  return size > 0 && text[size] == '=' && !memchr(text, '/', size);
}

// Leaves `arguments` at the command.
static struct options parse(struct arguments *arguments) {
  struct options options = {.user = "root"};
  for (; arguments->at < arguments->count; arguments->at++) {
    const char *text = arguments->values[arguments->at];
    if (strcmp(text, "--") == 0) {
      arguments->at++;
      break;
    }
    if (text[0] != '-' || !text[1]) break;
    if (text[1] == '-') apply_long(&options, arguments);
    else apply_short(&options, arguments);
  }
  while (arguments->at < arguments->count && is_assignment(arguments->values[arguments->at])) {
    if (putenv(arguments->values[arguments->at++]) != 0) refuse("out of memory", NULL);
  }
  return options;
}

// ---- running

static void set_variable(const char *name, const char *value) {
  if (setenv(name, value, 1) != 0) refuse(name, strerror(errno));
}

static void become(const struct options *options, const struct user *user) {
  gid_t gid = options->group ? find_group(options->group) : user->gid;
  int changes = user->uid != geteuid() || gid != getegid();
  if (changes && geteuid() != 0) refuse("only the sandbox's root can change the user, and this is user", getenv("USER"));
  if (changes && (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(user->uid, user->uid, user->uid) != 0)) {
    refuse("cannot become this user", strerror(errno));
  }
  if (options->set_home || options->login) set_variable("HOME", user->home);
  if (user->uid == 0 && !options->login) return;
  set_variable("USER", user->name);
  set_variable("LOGNAME", user->name);
}

// The shell gets the command as one line in which each byte but the plainest is escaped, so that arguments stay what they were.
static char *shell_line(char **argv) {
  size_t size = 1;
  for (char **word = argv; *word; word++) size += 2 * strlen(*word) + 3;
  char *line = malloc(size), *at = line;
  if (!line) refuse("out of memory", NULL);
  for (char **word = argv; *word; word++) {
    if (word != argv) *at++ = ' ';
    if (!**word) at = stpcpy(at, "''");
    for (const char *byte = *word; *byte; byte++) {
      int quoted = *byte == '\n';  // an escaped newline would vanish
      int plain = strchr("_-./,:=@%+", *byte) || (*byte & 0x80) || strspn(byte, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
      if (quoted) at = stpcpy(at, "'\n'");
      else if (!plain) *at++ = '\\';
      if (!quoted) *at++ = *byte;
    }
  }
  *at = 0;
  return line;
}

static void run_shell(const struct options *options, char **command) {
  const char *shell = getenv("SHELL");
  if (!shell || !*shell) shell = DEFAULT_SHELL;
  const char *slash = strrchr(shell, '/');
  char name[256];
  snprintf(name, sizeof name, "%s%s", options->login ? "-" : "", slash ? slash + 1 : shell);
  if (*command) execl(shell, name, "-c", shell_line(command), (char *)NULL);
  else execl(shell, name, (char *)NULL);
  refuse(shell, strerror(errno));
}

static void run(const struct options *options, char **command) {
  struct user user = find_user(options->user);
  become(options, &user);
  const char *directory = options->directory ? options->directory : options->login ? user.home : NULL;
  if (directory && chdir(directory) != 0) refuse(directory, strerror(errno));
  if (options->login || options->shell) run_shell(options, command);
  execvp(*command, command);
  refuse(*command, errno == ENOENT ? "command not found" : strerror(errno));
}

int sudo_main(int argc, char **argv) {
  struct arguments arguments = {.count = argc, .at = 1, .values = argv};
  struct options options = parse(&arguments);
  char **command = argv + arguments.at;
  if (options.list) return printf("The root of this sandbox may run every command here; it is not the host's root.\n") > 0 ? 0 : 1;
  if (!*command && options.time_stamp) return 0;
  if (!*command && !options.login && !options.shell) refuse("usage: sudo [-nEHS] [-u USER] [-g GROUP] [-D DIR] [-i|-s] [VAR=VALUE] COMMAND", NULL);
  run(&options, command);
  return 1;
}
