# SPDX-License-Identifier: Apache-2.0
# Completion of sbx for bash(1). One row a command: its words, then its options; "=" takes a value.
_sbx_table='
upload::-u= --user= -s= --session= -n= --name= -r --read-only
exec::-u= --user= -s= --session= -l= --lang= -c= --code= -p= --profile= --stdin= -a= --arg= -e= --env= -f= --file= -t= --wall= --cpu= -m= --memory= --processes= --scratch= --commit= --missing= --require= --encoding= --stream
ls::-u= --user= -s= --session= -r= --revision=
sessions::-u= --user=
stat::-u= --user=
get::-u= --user= -s= --session= -o= --out= -n= --name= -r= --revision= -a --all
rm::-u= --user= -s= --session= --session-all --user-all --force
diff::-u= --user= -s= --session= --from= --to=
undo::-u= --user= -s= --session= -r= --revision=
fork::-u= --user= -s= --session= -r= --revision=
gc::--ttl= --total= -n --dry-run
fsck::--repair
doctor::
attack::-p= --profile= -q --quick
config::
profile:ls show check:
audit:verify export tail auth-failure:-u= --user= -s= --session= --action= --status= --since= -n= --limit= --after= --count= -f --follow --format= --expect=
history::-u= --user= -s= --session= --status= --since= -n= --limit=
show::-u= --user=
export::-u= --user= -s= --session= -a --all -c --current -o= --out=
import::-u= --user= --same-ids
replay::-u= --user= -c= --code= --stdin= -e= --env= -k --keep
stats::--prometheus
dashboard::-o= --output= --title= --storage --storage-of= --health= --refresh=
ps::-u= --user=
top::-u= --user= --interval= --count=
kill::-u= --user=
image:build ls check:--mirror= --suite= --from= --locked
libs:add check rm:-u= --user= -p= --profile= -l= --lang= --wheel= --npm= --deb=
prompt::-u= --user= -p= --profile= -l= --lang= --part=
render::-u= --user= -s= --session= -p= --profile= --png --pdf --static --full-page --width= --height= --scale= --wait= --name=
tool::-u= --user= -s= --session= -p= --profile= -c= --code= -a= --arg=
'
_sbx_common='--json --request= --die-with-parent -h --help'

_sbx_row() { # COMMAND: sets words and options
	local row
	while IFS= read -r row; do
		if [ "${row%%:*}" = "$1" ]; then
			row=${row#*:}
			words=${row%%:*}
			options="${row#*:} $_sbx_common"
			return 0
		fi
	done <<<"$_sbx_table"
	return 1
}

_sbx_values() { # OPTION: what may follow it; fails where it takes no value
	case " $options " in
	*" $1= "*) ;;
	*) return 1 ;;
	esac
	case $1 in
	-l | --lang) COMPREPLY=($(compgen -W 'python javascript typescript bash html' -- "$current")) ;;
	-p | --profile) COMPREPLY=($(compgen -W "$("$program" profile ls 2>/dev/null)" -- "$current")) ;;
	--commit) COMPREPLY=($(compgen -W 'success always never' -- "$current")) ;;
	--missing) COMPREPLY=($(compgen -W 'fail skip' -- "$current")) ;;
	--encoding) COMPREPLY=($(compgen -W 'utf8 base64' -- "$current")) ;;
	--require) COMPREPLY=($(compgen -W 'landlock cgroup overlay proc groups seccomp' -- "$current")) ;;
	--format) COMPREPLY=($(compgen -W 'jsonl csv mongo' -- "$current")) ;;
	--request | --stdin | -o | --out | --output)
		COMPREPLY=($(compgen -f -- "$current"))
		compopt -o filenames 2>/dev/null
		;;
	esac
	return 0
}

_sbx() {
	local program=$1 current=$2 previous=$3 command=${COMP_WORDS[1]:-} words options
	COMPREPLY=()
	if [ "$COMP_CWORD" -le 1 ]; then
		COMPREPLY=($(compgen -W "$(cut -d: -f1 <<<"$_sbx_table") help --version --help" -- "$current"))
		return
	fi
	_sbx_row "$command" || return
	_sbx_values "$previous" && return
	case $current in
	-*) COMPREPLY=($(compgen -W "${options//=/}" -- "$current")) ;;
	*)
		if [ -n "$words" ]; then
			COMPREPLY=($(compgen -W "$words" -- "$current"))
		else
			COMPREPLY=($(compgen -f -- "$current"))
			compopt -o filenames 2>/dev/null
		fi
		;;
	esac
}
complete -F _sbx sbx
