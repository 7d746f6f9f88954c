# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The overlay and the patches as commits in build/linux, and back.

linux=$build/linux series=$top/patches/series

# A line per commit: the patch, then the new files it brings
commits() { awk '/^#/ { next } /^[^ \t]/ && NR > 1 && l { print l; l = "" } { $1 = $1; l = l " " $0 } END { if (l) print l }' "$series"; }
overlay() { commits | awk '{ for (i = 2; i <= NF; i++) print $i }'; }
git_linux() { git -C "$linux" "$@"; }

ident()
{
	export "GIT_$1_NAME=$(sed -n 's/^Author: //p' <<<"$2")" "GIT_$1_EMAIL=$(sed -n 's/^Email: //p' <<<"$2")" \
	       "GIT_$1_DATE=$(sed -n 's/^Date: //p' <<<"$2")"
}

# Commit the series on the base without touching the work tree; prints the tip
assemble()
(
	local patch files info file mode parent tmp
	tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
	cd "$linux"
	export GIT_INDEX_FILE=$tmp/index
	parent=$(git rev-parse base)
	git read-tree base
	while read -r patch files; do
		info=$(git mailinfo "$tmp/msg" "$tmp/patch" <"$top/patches/$patch")
		[ ! -s "$tmp/patch" ] || ! grep -q '^diff --git' "$tmp/patch" || git apply --cached --whitespace=nowarn "$tmp/patch" || {
			echo "patches/$patch does not apply" >&2
			exit 1
		}
		for file in $files; do
			[ -f "$top/$file" ] || { echo "patches/series names $file, which does not exist" >&2; exit 1; }
			mode=100644
			[ ! -x "$top/$file" ] || mode=100755
			git update-index --add --cacheinfo "$mode,$(git hash-object -w "$top/$file"),$file"
		done
		ident AUTHOR "$info"
		ident COMMITTER "$info"
		parent=$( (sed -n 's/^Subject: //p' <<<"$info"; echo; cat "$tmp/msg") | git commit-tree -p "$parent" "$(git write-tree)")
	done < <(commits)
	echo "$parent"
)

has_base() { git_linux cat-file -e "base^{tree}" 2>/dev/null || { base; git_linux cat-file -e "base^{tree}" 2>/dev/null; }; }

# build/linux: the series on the base. Files that did not change are not touched, so that builds stay incremental.
tree()
{
	local key tip head force=
	base_name
	if ! git_linux rev-parse -q --verify refs/harness/tip >/dev/null 2>&1; then
		lock
		base
		disk "$build" 12000
		rm -rf "$linux"
		git clone -q --shared --no-checkout -b base "$base_repo" "$linux"
		git_linux config user.name "$(git -C "$top" config user.name || id -un)"
		git_linux config user.email "$(git -C "$top" config user.email || echo "$(id -un)@localhost")"
		echo "/out-*/" >>"$linux/.git/info/exclude"
		step "checking out the tree" . 0 git_linux checkout -q -B percpu-data base
		git_linux update-ref refs/harness/tip base
	elif [ "$(git_linux remote get-url origin)" != "$base_repo" ] || ! has_base; then
		die "build/linux lies on another base than this: keep what you need of it and remove it"
	fi
	key=$(cd "$top" && { git -C "$linux" rev-parse base; overlay | cat - <(ls patches/*) | xargs sha256sum; overlay | xargs -r stat -c %a; } | sha256sum)
	[ "$key" != "$(cat "$linux/.git/series-key" 2>/dev/null)" ] || return 0
	lock
	tip=$(assemble) || die "the series could not be assembled"
	head=$(git_linux rev-parse HEAD)
	if git_linux rev-parse -q --verify refs/harness/next >/dev/null; then
		force=-f # an interrupted checkout: there was nothing to lose when it began
	elif [ "$(git_linux rev-parse "$head^{tree}")" = "$(git_linux rev-parse "$tip^{tree}")" ]; then
		git_linux reset -q --soft "$tip"
	elif [ "$head" != "$(git_linux rev-parse refs/harness/tip)" ]; then
		die "build/linux has commits that patches/ has not: run make refresh, or drop them with git -C build/linux reset --hard refs/harness/tip"
	elif [ -n "$(git_linux status --porcelain -uno)" ]; then
		die "build/linux has uncommitted edits, and the series changed: commit them there and run make refresh, or git -C build/linux stash"
	fi
	git_linux update-ref refs/harness/next "$tip"
	git_linux checkout -q $force -B percpu-data "$tip" || die "build/linux could not be brought up to date"
	git_linux update-ref -d refs/harness/next
	git_linux update-ref refs/harness/tip "$tip"
	echo "$key" >"$linux/.git/series-key"
}

series()
{
	tree
	rm -rf "$build/series"
	git_linux config branch.percpu-data.description "$(cat "$top/patches/cover-letter")"
	git_linux format-patch -q --cover-letter --cover-from-description=subject -o "$build/series" base..percpu-data
	say "the series: build/series, $(find "$build/series" -name '*.patch' | wc -l) files"
}

# Commits of build/linux back to patches/ and the overlay
refresh()
{
	local commit n=0 name new file status added=" " old
	git_linux rev-parse -q --verify base >/dev/null 2>&1 || die "there is no build/linux yet: run make tree"
	[ -z "$(git_linux status --porcelain -uno)" ] || die "build/linux has uncommitted edits: commit them there first"
	if [ -n "$(git_linux rev-list --min-parents=2 base..HEAD)" ] || ! git_linux merge-base --is-ancestor base HEAD; then
		die "the commits of build/linux are not a line on top of the branch base: rebase them"
	fi
	new=$(mktemp -d "$build/refresh.XXXXXX")
	old=$(overlay)
	for commit in $(git_linux rev-list --reverse base..HEAD); do
		n=$((n + 1))
		name=$(printf '%04d-%s.patch' "$n" "$(git_linux log -1 --format=%f "$commit" | cut -c 1-52)")
		git_linux format-patch -1 --stdout --always --no-numbered --zero-commit --no-signature --no-stat --no-renames \
			--abbrev=12 --diff-filter=a "$commit" >"$new/$name"
		printf %s "$name" >>"$new/series"
		while read -r status file; do
			if [ "$status" = A ]; then
				added+="$file "
				printf '\n\t%s' "$file" >>"$new/series"
			elif [[ $added == *" $file "* ]]; then
				die "$name changes $file, which an earlier commit adds: a new file stands whole, so squash them"
			fi
		done < <(git_linux diff-tree -r --no-commit-id --no-renames --name-status "$commit")
		echo >>"$new/series"
	done
	(cd "$top" && xargs -r rm -f <<<"$old" && rm -f patches/[0-9]*.patch)
	mv "$new"/* "$top/patches/"
	rmdir "$new"
	# shellcheck disable=SC2086
	[ "$added" = " " ] || git_linux archive HEAD $added | tar -x -m -C "$top"
	rm -f "$linux/.git/series-key"
	tree
	say "$n commits written to patches/"
}

check()
{
	local file bad=0
	need shellcheck perl python3 python3-ply python3-git
	series
	progress "checkpatch" . 0 sh -c "cd '$linux' && printf '%s\n' ../series/*.patch | grep -v cover-letter |
		xargs -r -n 1 -P $(nproc) perl scripts/checkpatch.pl --strict --terse --no-summary --show-types --ignore FILE_PATH_CHANGES,AVOID_EXTERNS,CAMELCASE,VOLATILE" ||
		{ sed -n '/^== checkpatch/,$s/^\.\.\/series\///p' "$log"; bad=1; }
	(cd "$top" && shellcheck -ax -P harness harness/main harness/init harness/workload .ci/run) || bad=1
	for file in $(overlay) harness/main; do
		head -n 2 "$top/$file" | grep -q 'SPDX-License-Identifier: ' || { say "$file has no SPDX line"; bad=1; }
	done
	[ "$bad" = 0 ] || die "make check found something"
	say "the series applies; checkpatch, shellcheck and SPDX lines are clean"
}
