#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build-vm.sh: makes, once, the guest that run-in-vm.sh starts, and prints its directory.
#
# One Debian with systemd for three ways to run it: systemd-nspawn (this kernel, real D-Bus and user
# managers), User Mode Linux (every cgroup controller), QEMU without KVM (Debian's own kernel). It
# lies outside the build tree, named by a hash of what goes into it, so the next call is a look-up.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
cache=${SBX_VM_CACHE:-/var/cache/sbx-vm}
# the mirror that this machine's own apt uses
mirror=${SBX_VM_MIRROR:-$(apt-cache policy | grep -oE 'https?://[^ ]+/debian' | grep -v security | sort -u | head -n 1)}
guest=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,kmod,procps,util-linux
guest+=,python3,nodejs,jq,libjansson4,libnettle8,libuuid1,libmagic1,libseccomp2,libsystemd0

log() { echo "build-vm: $*" >&2; }

for tool in mmdebstrap qemu-system-x86_64 linux.uml systemd-nspawn lz4 python3; do
	command -v "$tool" >/dev/null || { log "'$tool' is missing: see $here/packages"; exit 1; }
done
uml=$(linux.uml --version)
key=$(cat "$0" "$here"/guest/* <(echo "$suite $guest $uml") | sha256sum | cut -c1-12)
dir=$cache/$suite-$key
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
if [ -f "$dir/ok" ]; then
	echo "$dir"
	exit 0
fi
# older ones are of no use any more; one that a guest still runs from is locked
for old in "$cache/$suite"-*; do
	[ -d "$old" ] && flock -n "$old" rm -rf --one-file-system "$old"
done
mkdir -p "$dir"
root=$dir/rootfs

log "installing $suite (about a minute)"
mmdebstrap --quiet --mode=root --variant=minbase --include="$guest" \
	--aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	"$suite" "$root" "$mirror" >&2

log "kernel"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp /etc/resolv.conf "$root/etc/resolv.conf"
# the cloud flavour has NVMe and ext4 built in, so it boots without an initrd
# shellcheck disable=SC2016
chroot "$root" sh -c 'apt-get -qq update && cd /tmp &&
	apt-get -qq -o APT::Sandbox::User=root download "$(apt-cache depends linux-image-cloud-amd64 |
		sed -n "s/.*Depends: \(linux-image[^ ]*\).*/\1/p" | head -n 1)"
	rm -rf /var/lib/apt/lists/*' >&2
mv "$root"/tmp/linux-image-*.deb "$tmp/kernel.deb"
dpkg -x "$tmp/kernel.deb" "$tmp/kernel"
release=$(basename "$tmp"/kernel/boot/vmlinuz-* | sed s/vmlinuz-//)
# modules that a test may want: FROM RELEASE
keep_modules() {
	local to=$root/lib/modules/$2 part file

	mkdir -p "$to"
	for part in fs/overlayfs fs/fuse fs/autofs lib; do
		for file in "$1/$2/kernel/$part" "$1/$2/kernel/$part.xz"; do
			[ -e "$file" ] || continue
			mkdir -p "$to/kernel/$(dirname "$part")"
			cp -a "$file" "$to/kernel/$(dirname "$part")/"
		done
	done
	cp "$1/$2"/modules.builtin* "$1/$2/modules.order" "$to/"
	chroot "$root" depmod "$2"
}
keep_modules "$tmp/kernel/lib/modules" "$release"
keep_modules /usr/lib/uml/modules "$uml"
# the uncompressed kernel starts by its PVH entry: two seconds less than a bzImage under emulation
python3 - "$tmp/kernel/boot/vmlinuz-$release" "$dir/vmlinux" <<'P' || cp "$tmp/kernel/boot/vmlinuz-$release" "$dir/vmlinux"
import subprocess, sys
data = open(sys.argv[1], 'rb').read()
for magic, cmd in ((b'\x02\x21\x4c\x18', ['lz4', '-d']), (b'\x28\xb5\x2f\xfd', ['zstd', '-dc']),
                   (b'\xfd7zXZ\x00', ['xz', '-dc'])):
    at = data.find(magic)
    while at >= 0:
        out = subprocess.run(cmd, input=data[at:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        if out[:4] == b'\x7fELF':
            open(sys.argv[2], 'wb').write(out)
            sys.exit(0)
        at = data.find(magic, at + 1)
sys.exit(1)
P

log "configuration"
# alice has a user manager from boot on; svc is a system user without one
chroot "$root" useradd -m -u 1000 -s /bin/bash alice
chroot "$root" useradd -r -m -u 990 -s /usr/sbin/nologin svc
mkdir -p "$root/vmtest" "$root/var/lib/systemd/linger" "$root/etc/systemd/journald.conf.d" \
	"$root/etc/systemd/system/user@.service.d" "$root/etc/systemd/system/multi-user.target.wants"
touch "$root/var/lib/systemd/linger/alice"
echo vm >"$root/etc/hostname"
echo '127.0.0.1 localhost vm' >"$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
: >"$root/etc/fstab"
# a user manager is given "pids memory cpu" unless it is told otherwise
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >"$root/etc/systemd/system/user@.service.d/delegate.conf"
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n' >"$root/etc/systemd/journald.conf.d/vm.conf"
while read -r unit; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done <"$here/guest/masked"
install -m 755 "$here/guest/vmtest" "$root/usr/local/sbin/vmtest"
install -m 644 "$here/guest/vmtest.service" "$root/etc/systemd/system/vmtest.service"
ln -sf ../vmtest.service "$root/etc/systemd/system/multi-user.target.wants/vmtest.service"
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"

log "disk"
# a partition table with a fixed signature: NVMe disks are probed in any order, PARTUUID= finds it
size=$(($(du -sm "$root" | cut -f1) + 700))
truncate -s $((size + 1))M "$dir/root.img"
python3 - "$dir/root.img" $size <<'P'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(0x1b8)
    f.write(struct.pack('<I', 0x5bc5bc00))
    f.seek(0x1be)
    f.write(struct.pack('<B3sB3sII', 0, b'\xfe\xff\xff', 0x83, b'\xfe\xff\xff', 2048, int(sys.argv[2]) * 2048))
    f.seek(0x1fe)
    f.write(b'\x55\xaa')
P
/sbin/mke2fs -q -F -t ext4 -O ^has_journal -E offset=1048576 -d "$root" -L root "$dir/root.img" ${size}M
touch "$dir/ok"
log "made $dir ($(du -sh "$dir" | cut -f1))"
echo "$dir"
