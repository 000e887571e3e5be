// SPDX-License-Identifier: Apache-2.0
/* The classes of commands: names, with '*' perhaps, in the directories of programs; paths elsewhere. */
#include "commands_class.h"

#include <fnmatch.h>
#include <string.h>

static const char *const network[] = {
	"curl", "wget", "wget2", "nc", "nc.*", "ncat", "netcat", "socat", "telnet", "telnet.*", "ftp", "lftp", "tftp",
	"sftp", "ssh", "ssh-*", "slogin", "scp", "rsync", "rsync-ssl", "ping", "ping4", "ping6", "traceroute*", "tracepath",
	"mtr", "dig", "delv", "host", "nslookup", "nsupdate", "whois", "aria2c", "axel", "lynx", "links", "links2", "elinks",
	"w3m", "ip", "ss", "netstat", "ifconfig", "route", "arp", "arping", "nmap", "ncrack", "tcpdump", "tshark", "iperf*",
	"dhclient", "openvpn", "wg", "http", "https", "xh", "busybox", "toybox", "lwp-request", "lwp-download", "GET", "POST",
	"HEAD", "/usr/lib/git-core/git-remote-*", "/usr/libexec/git-core/git-remote-*", "/usr/lib/openssh/*", NULL };
static const char *const package[] = {
	"apt", "apt-*", "aptitude", "dpkg", "dpkg-*", "dselect", "rpm", "dnf", "dnf-*", "yum", "zypper", "pacman", "apk", "snap",
	"flatpak", "nix", "nix-*", "brew", "pip", "pip3", "pip3.*", "pipx", "uv", "uvx", "poetry", "conda", "mamba", "easy_install*",
	"npm", "npx", "yarn", "yarnpkg", "pnpm", "pnpx", "corepack", "bower", "gem", "gem[0-9]*", "bundle", "bundler", "bundle[0-9]*",
	"bundler[0-9]*", "cargo", "rustup", "composer", "cpan", "cpan5*", "cpanm", "luarocks", "dub", "busybox", "toybox",
	"/usr/lib/python3/dist-packages/pip", "/usr/lib/python3*/site-packages/pip", "/usr/lib/python3*/dist-packages/pip",
	"/usr/local/lib/python3*/site-packages/pip", "/usr/local/lib/python3*/dist-packages/pip", "/usr/lib/python3*/ensurepip",
	"/usr/local/lib/python3*/ensurepip", "/usr/lib/node_modules/npm", "/usr/lib/node_modules/corepack",
	"/usr/local/lib/node_modules/npm", "/usr/local/lib/node_modules/corepack", "/usr/share/nodejs/npm",
	"/usr/share/nodejs/corepack", "/usr/share/nodejs/yarn", NULL };
static const char *const compiler[] = {
	"cc", "c++", "c89", "c89-gcc", "c99", "c99-gcc", "gcc", "gcc-[0-9]*", "g++", "g++-*", "cpp", "cpp-*", "gdc", "gdc-*",
	"gfortran", "gfortran-*", "f77", "f95", "gnat*", "*-linux-gnu*-gcc*", "*-linux-gnu*-g++*", "*-linux-gnu*-cpp*",
	"*-linux-gnu*-gdc*", "*-linux-gnu*-gfortran*", "*-linux-gnu*-as", "*-linux-gnu*-ld", "*-linux-gnu*-ld.*", "*-linux-gnu*-gold",
	"clang", "clang-[0-9]*", "clang++*", "clang-cpp*", "tcc", "*-tcc", "rustc", "rustc-*", "go", "gofmt", "javac", "jshell",
	"ghc", "ghc-*", "ghci*", "runghc*", "ldc2", "ldmd2", "dmd", "as", "ld", "ld.*", "gold", "lld*", "llc*", "lli*", "nasm", "yasm",
	"zig", "nim", "ocamlc*", "ocamlopt*", "fpc", "valac*", "/usr/lib/gcc/*/*/*1*", "/usr/lib/gcc/*/*/collect2",
	"/usr/libexec/gcc/*/*/*1*", "/usr/libexec/gcc/*/*/collect2", "/usr/lib/go*/bin/*", "/usr/lib/go*/pkg/tool/*/*",
	"/usr/share/go*/bin/*", "/usr/lib/llvm-*/bin/*", "/usr/lib/jvm/*/bin/javac", "/usr/lib/jvm/*/bin/jshell", NULL };
static const char *const admin[] = {
	"mount", "umount", "mount.*", "fusermount*", "su", "sudo", "sudoedit", "doas", "pkexec", "runuser", "passwd", "chsh", "chfn",
	"chage", "gpasswd", "newgrp", "sg", "expiry", "useradd", "userdel", "usermod", "newusers", "adduser", "deluser", "addgroup",
	"delgroup", "groupadd", "groupdel", "groupmod", "groupmems", "chpasswd", "chgpasswd", "visudo", "vipw", "vigr", "pw*conv",
	"grp*conv", "newuidmap", "newgidmap", "mkfs", "mkfs.*", "mke2fs", "mkswap", "mkdosfs", "mkntfs", "fsck", "fsck.*", "e2fsck",
	"e2label", "e2image", "e2undo", "tune2fs", "resize2fs", "debugfs", "dumpe2fs", "badblocks", "fdisk", "sfdisk", "cfdisk",
	"gdisk", "sgdisk", "parted", "partx", "addpart", "delpart", "resizepart", "wipefs", "blkdiscard", "blkzone", "blockdev",
	"blkid", "losetup", "swapon", "swapoff", "swaplabel", "hdparm", "cryptsetup", "dmsetup", "lvm", "mdadm", "zramctl", "fsfreeze",
	"fstrim", "sysctl", "modprobe", "insmod", "rmmod", "depmod", "kmod", "lsmod", "reboot", "shutdown", "halt", "poweroff",
	"init", "telinit", "runlevel", "systemctl", "systemd-*", "journalctl", "loginctl", "machinectl", "service", "invoke-rc.d",
	"update-rc.d", "start-stop-daemon", "chroot", "pivot_root", "switch_root", "unshare", "nsenter", "setpriv", "capsh", "setcap",
	"getcap", "getpcaps", "bwrap", "iptables*", "ip6tables*", "nft", "ebtables*", "crontab", "cron", "at", "atd", "atrm", "batch",
	"hwclock", "rtcwake", "ctrlaltdel", "killall5", "agetty", "getty", "login", "sulogin", "grub-*", "update-grub*", "efibootmgr",
	"kexec", "ldconfig", "chmem", "chcpu", "docker", "podman", "runc", "crun", "ctr", "virsh", "qemu-*", "busybox", "toybox", NULL };
static const char *const debug[] = {
	"gdb", "gdb-*", "gdbserver", "gcore", "lldb*", "strace", "strace-*", "ltrace", "perf", "perf_*", "valgrind*", "bpftrace",
	"bpftool", "rr", "trace-cmd", "systemtap", "stap", "dbg", "pdb3*", "/usr/lib/llvm-*/bin/lldb*", NULL };
static const char *const shell[] = { "sh", "bash", "rbash", "dash", "ash", "ksh*", "mksh*", "zsh*", "fish", "tcsh", "csh", "busybox",
				     "toybox", NULL };
static const char *const interpreter[] = {
	"python3", "python3.*", "python", "node", "nodejs", "perl", "perl5*", "ruby", "ruby[0-9]*", "lua", "lua5*", "luajit*", "php",
	"php[0-9]*", "R", "Rscript", "java", "tclsh*", "guile*", "/usr/lib/R/bin/*", "/usr/lib/R/bin/exec/R", "/usr/lib/jvm/*/bin/java",
	NULL };
static const char *const vcs[] = { "git", "git-*", "svn", "hg", "bzr", "cvs", "fossil", "/usr/lib/git-core/*", "/usr/libexec/git-core/*",
				   NULL };
static const char *const archive[] = {
	"tar", "gzip", "gunzip", "zcat", "bzip2", "bunzip2", "bzcat", "xz", "unxz", "xzcat", "lzma", "unlzma", "zstd", "unzstd", "zstdcat",
	"lz4", "unlz4", "zip", "unzip", "zipinfo", "7z", "7za", "7zr", "cpio", "ar", "/usr/lib/p7zip/*", NULL };
static const char *const basic[] = {
	"[", "arch", "b2sum", "base32", "base64", "basename", "basenc", "cat", "chgrp", "chmod", "chown", "cksum", "comm", "cp", "csplit",
	"cut", "date", "dd", "df", "dir", "dircolors", "dirname", "du", "echo", "env", "expand", "expr", "factor", "false", "fmt", "fold",
	"groups", "head", "hostid", "hostname", "id", "install", "join", "link", "ln", "logname", "ls", "md5sum", "mkdir", "mkfifo", "mknod",
	"mktemp", "mv", "nice", "nl", "nohup", "nproc", "numfmt", "od", "paste", "pathchk", "pr", "printenv", "printf", "ptx", "pwd",
	"readlink", "realpath", "rm", "rmdir", "seq", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "shred", "shuf",
	"sleep", "sort", "split", "stat", "stdbuf", "stty", "sum", "sync", "tac", "tail", "tee", "test", "timeout", "touch", "tr", "true",
	"truncate", "tsort", "tty", "uname", "unexpand", "uniq", "unlink", "users", "vdir", "wc", "who", "whoami", "yes", "find", "xargs",
	"grep", "egrep", "fgrep", "sed", "awk", "gawk", "mawk", "nawk", "original-awk", "diff", "diff3", "cmp", "sdiff", "patch", "file",
	"tree", "bc", "dc", "jq", "xxd", "hexdump", "column", "col", "rev", "getopt", "which", "which.*", "ps", "kill", "pgrep", "pkill",
	"less", "more", "cal", "strings", "iconv", "locale", "time", "flock", "look", "clear", "tput", NULL };

const struct command_class command_classes[] = {
	{ "network", network }, { "package", package }, { "compiler", compiler }, { "admin", admin }, { "debug", debug },
	{ "shell", shell }, { "interpreter", interpreter }, { "vcs", vcs }, { "archive", archive }, { "basic", basic },
	{ NULL, NULL },
};

const struct command_class *command_class(const char *name)
{
	size_t i;

	for (i = 0; command_classes[i].name; i++)
		if (!strcmp(command_classes[i].name, name))
			return &command_classes[i];
	return NULL;
}

bool command_class_has(const struct command_class *c, const char *leaf)
{
	size_t i;

	for (i = 0; c->patterns[i]; i++) {
		const char *p = c->patterns[i];
		size_t len;

		if (*p == '/' || (*p != '*' && *p != *leaf))
			continue;
		len = strcspn(p, "*?[");
		/* "[" is a program, no pattern */
		if (!p[len] || !p[1] ? !strcmp(p, leaf) : !strncmp(p, leaf, len) && fnmatch(p, leaf, 0) == 0)
			return true;
	}
	return false;
}
