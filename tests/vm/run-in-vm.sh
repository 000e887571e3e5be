#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-in-vm.sh [-b nspawn|uml|tcg] [-t SECONDS] [-m MEGABYTES] DIR
#
# Starts a fresh guest, copies DIR to its /vmtest, runs DIR/run there as root with the user manager of
# alice (uid 1000) up, streams its output and exits with its exit status (124: out of time, 125: the
# guest failed). The image is never written to; nothing of the guest is left.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
backend=uml limit=300 memory=1024
while getopts b:t:m: o; do
	case $o in
	b) backend=$OPTARG ;;
	t) limit=$OPTARG ;;
	m) memory=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
src=${1:?DIR}
img=$("$here/build-vm.sh") || exit 125
exec 9<"$img"
flock -s 9
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sbx-vm.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
quiet="quiet loglevel=3 systemd.show_status=0 net.ifnames=0 audit=0 panic=-1"
: >"$tmp/console"
: >"$tmp/kernel"

run_nspawn() {
	local cg=/sys/fs/cgroup name=sbx-vm-$$ job=$tmp/job reader left

	# a cgroup of our own, so that nothing beside it is touched
	[ -e $cg/cgroup.controllers ] || cg=$cg/unified
	mkdir "$cg/$name"
	cp -a "$src" "$job"
	touch "$job/.nspawn"
	chmod 755 "$job"
	mkfifo -m 666 "$job/.log"
	cat "$job/.log" &
	reader=$!
	exec 8<>"$job/.log" # keeps it open until the container is gone
	(
		echo "$BASHPID" >"$cg/$name/cgroup.procs"
		SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec timeout -k 10 "$limit" systemd-nspawn -q \
			-D "$img/rootfs" --volatile=overlay --machine="$name" --bind "$job:/vmtest" \
			--register=no --keep-unit --boot --private-network --link-journal=no \
			--console=pipe --system-call-filter='@keyring bpf landlock_create_ruleset
				landlock_add_rule landlock_restrict_self memfd_secret'
	) </dev/null 8>&- >"$tmp/console" 2>&1
	status=$?
	exec 8>&-
	wait $reader
	rmdir "/run/systemd/nspawn/propagate/$name" 2>/dev/null
	for left in "$cg/$name" "/sys/fs/cgroup/systemd/$name"; do
		[ -d "$left" ] && find "$left" -depth -type d -exec rmdir {} \;
	done 2>/dev/null
	cp "$job/.rc" "$tmp/rc" 2>/dev/null
}

run_uml() {
	# the disk has a partition table, so the root is the first partition of ubda
	TMPDIR=/dev/shm timeout -k 10 "$limit" linux.uml mem="${memory}M" ubd0="$tmp/cow,$img/root.img" \
		ubd1r="$tmp/in.tar" ubd2="$tmp/swap" root=/dev/ubda1 rw con=none con0=null,fd:7 \
		ssl1=null,fd:5 ssl2=null,fd:6 umid="sbx$$" uml_dir="$tmp/" $quiet \
		5> >(exec cat) 6>"$tmp/rc" 7>"$tmp/console" >"$tmp/kernel" 2>&1 </dev/null
	status=$?
}

run_tcg() {
	timeout -k 10 "$limit" qemu-system-x86_64 -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 \
		-m "$memory" -machine q35 -nodefaults -no-user-config -display none -no-reboot -nic none \
		-kernel "$img/vmlinux" -append "console=ttyS0 root=PARTUUID=5bc5bc00-01 rw rootfstype=ext4 mitigations=off random.trust_cpu=on tsc=reliable no_timer_check $quiet" \
		-drive file="$img/root.img",format=raw,if=none,id=root,snapshot=on \
		-device nvme,drive=root,serial=root \
		-drive file="$tmp/in.tar",format=raw,if=none,id=in,readonly=on -device nvme,drive=in,serial=in \
		-drive file="$tmp/swap",format=raw,if=none,id=swap -device nvme,drive=swap,serial=swap \
		-chardev file,id=con,path="$tmp/console" -serial chardev:con \
		-chardev stdio,id=o,signal=off -serial chardev:o \
		-chardev file,id=rc,path="$tmp/rc" -serial chardev:rc </dev/null
	status=$?
}

case $backend in
nspawn) run_nspawn ;;
uml | tcg)
	tar -C "$src" -cf "$tmp/in.tar" .
	truncate -s 256M "$tmp/swap"
	: >"$tmp/rc"
	"run_$backend"
	;;
*)
	echo "run-in-vm: no backend is called '$backend'" >&2
	exit 2
	;;
esac
rc=$(tr -dc 0-9 <"$tmp/rc" 2>/dev/null)
if [ "$status" = 124 ] || [ "$status" = 137 ]; then
	echo "run-in-vm: timed out after $limit s" >&2
	tail -n 20 "$tmp/console" >&2
	exit 124
fi
if [ -z "$rc" ]; then
	echo "run-in-vm: the guest gave no result ($backend ended with $status)" >&2
	tail -n 30 "$tmp/console" "$tmp/kernel" >&2
	exit 125
fi
exit "$rc"
