# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The overlay and the patches as commits in build/linux, and back.

linux=$build/linux

# Each topic is a series of its own, a folder of patches/ and a branch of build/linux, and builds on those before it
topics() { grep -v '^#' "$top/patches/topics"; }
# A line per commit of a topic, which may have none yet, or of all: the patch, then the new files it brings
commits() { awk -v t="$1" '/^#/ { next } /^[^ \t]/ { if (l) print l; l = t "/" $1; next } { l = l " " $1 } END { if (l) print l }' "$top/patches/$1/series" 2>/dev/null || true; }
all_commits() { local topic; for topic in $(topics); do commits "$topic"; done; }
overlay() { all_commits | awk '{ for (i = 2; i <= NF; i++) print $i }'; }
git_linux() { git -C "$linux" --git-dir=.git "$@"; }

ident()
{
	export "GIT_$1_NAME=$(sed -n 's/^Author: //p' <<<"$2")" "GIT_$1_EMAIL=$(sed -n 's/^Email: //p' <<<"$2")" \
	       "GIT_$1_DATE=$(sed -n 's/^Date: //p' <<<"$2")"
}

# Index entries of the new files in TMP/final, and as a commit first brings them in TMP/TOPIC/PATCH: without what later patches do to them
first_states()
{
	local patch files
	export GIT_INDEX_FILE=$1/overlay
	overlay | git -C "$top" --git-dir="$linux/.git" --work-tree=. add -f --pathspec-from-file=- || return 1
	git ls-files -s >"$1/final"
	while read -r patch files; do
		git ls-files | sed 's/^/--include=/' | xargs -r git apply -R --cached --allow-empty --whitespace=nowarn "$top/patches/$patch" || {
			echo "taking back patches/$patch does not fit new files: edit them in build/linux, and run make refresh" >&2
			return 1
		}
		mkdir -p "$1/${patch%/*}"
		xargs -r git ls-files -s -- <<<"$files" >"$1/$patch"
		xargs -r git update-index --force-remove -- <<<"$files"
	done < <(all_commits | tac)
}

# Commit the series on the base without touching the work tree; prints each topic with its last commit
assemble()
(
	local topic patch files info parent=base tmp
	tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
	cd "$linux"
	first_states "$tmp" || exit 1
	export GIT_INDEX_FILE=$tmp/index
	git read-tree base
	for topic in $(topics); do
		while read -r patch files; do
			git apply --cached --allow-empty --whitespace=nowarn "$top/patches/$patch" || {
				echo "patches/$patch does not apply" >&2
				exit 1
			}
			git update-index --add --index-info <"$tmp/$patch"
			info=$(git mailinfo "$tmp/msg" /dev/null <"$top/patches/$patch")
			ident AUTHOR "$info"
			ident COMMITTER "$info"
			parent=$( (sed -n 's/^Subject: //p' <<<"$info"; echo; cat "$tmp/msg") | git commit-tree -p "$parent" "$(git write-tree)")
		done < <(commits "$topic")
		echo "$topic $(git rev-parse "$parent")"
	done
	overlay | xargs -r git ls-files -s -- | cmp -s - "$tmp/final" || { echo "the new files do not end up as they stand" >&2; exit 1; }
)

# build/linux: the series on the base. Files that did not change are not touched, so that builds stay incremental.
tree()
{
	local key tips topic tip head force=
	base_name
	if ! git_linux rev-parse -q --verify refs/harness/tip >/dev/null 2>&1; then
		lock
		in_cache base
		disk "$build" 2500
		rm -rf "$linux"
		git clone -q --shared --no-checkout -b base "$base_repo" "$linux"
		git_linux config user.name "$(git -C "$top" config user.name || id -un)"
		git_linux config user.email "$(git -C "$top" config user.email || echo "$(id -un)@localhost")"
		# so that an interactive rebase moves the topics' branches, too
		git_linux config rebase.updateRefs true
		echo "/out-*/" >>"$linux/.git/info/exclude"
		step "checking out the tree" . 0 git_linux -c checkout.workers=0 checkout -q -b "$(topics | tail -n 1)" base
		git_linux update-ref refs/harness/tip base
	else
		git_linux cat-file -e "base^{tree}" 2>/dev/null || in_cache base
		[ "$(git_linux remote get-url origin)" = "$base_repo" ] ||
			die "build/linux lies on another base than this: keep what you need of it and remove it"
	fi
	key=$(cd "$top" && { git -C "$linux" rev-parse base; overlay | cat - <(find patches -type f | sort) | xargs sha256sum; overlay | xargs -r stat -c %a; } | sha256sum)
	[ "$key" != "$(cat "$linux/.git/series-key" 2>/dev/null)" ] || return 0
	lock
	tips=$(assemble) || die "the series could not be assembled"
	read -r topic tip < <(tail -n 1 <<<"$tips")
	head=$(git_linux rev-parse HEAD)
	if git_linux rev-parse -q --verify refs/harness/next >/dev/null; then
		force=-f # an interrupted checkout: there was nothing to lose when it began
	elif [ "$(git_linux rev-parse "$head^{tree}")" = "$(git_linux rev-parse "$tip^{tree}")" ]; then
		: # the files are the same
	elif [ -n "$(topics | git_linux rev-list -n 1 --ignore-missing --stdin HEAD --not refs/harness/tip)" ]; then
		die "build/linux has commits that patches/ has not: run make refresh, or drop them with git -C build/linux reset --hard refs/harness/tip"
	elif [ -n "$(git_linux status --porcelain -uno)" ]; then
		die "build/linux has uncommitted edits, and the series changed: commit them there and run make refresh, or git -C build/linux stash"
	fi
	git_linux update-ref refs/harness/next "$tip"
	git_linux checkout -q $force -B "$topic" "$tip" || die "build/linux could not be brought up to date"
	git_linux update-ref -d refs/harness/next
	awk '{ print "update refs/heads/" $1, $2 }' <<<"$tips" | git_linux update-ref --stdin
	git_linux update-ref refs/harness/tip "$tip"
	echo "$key" >"$linux/.git/series-key"
}

# A series for each topic. git am stops at a cover letter, so that its name has no .patch.
series()
{
	local topic n=0 before=base dir
	tree
	rm -rf "$build/series"
	for topic in $(topics); do
		n=$((n + 1)) dir=$build/series/$n-$topic
		git_linux config "branch.$topic.description" "$(cat "$top/patches/$topic/cover-letter")"
		git_linux format-patch -q --base=base --cover-letter --cover-from-description=subject -o "$dir" "$before..$topic"
		mv "$dir/0000-cover-letter.patch" "$dir/0000-cover-letter"
		before=$topic
	done
	say "the series: $n in build/series, with $(find "$build/series" -name '*.patch' | wc -l) patches"
}

# Commits of build/linux back to patches/ and the overlay
refresh()
{
	local topic before=base commit n=0 all=0 name new file status added=" "
	git_linux rev-parse -q --verify base >/dev/null 2>&1 || die "there is no build/linux yet: run make tree"
	[ -z "$(git_linux status --porcelain -uno)" ] || die "build/linux has uncommitted edits: commit them there first"
	for topic in $(topics); do
		git_linux merge-base --is-ancestor "$before" "refs/heads/$topic" ||
			die "patches/topics wants a branch $topic in build/linux, on top of $before, at the last commit of that topic"
		before=$topic
	done
	[ "$(git_linux rev-parse HEAD)" = "$(git_linux rev-parse "$topic")" ] || die "check out the branch $topic in build/linux: it ends the last topic"
	[ -z "$(git_linux rev-list --min-parents=2 base..HEAD)" ] || die "the commits of build/linux are not a line on top of the branch base: rebase them"
	new=$(mktemp -d "$build/refresh.XXXXXX")
	before=base
	for topic in $(topics); do
		n=0
		mkdir "$new/$topic"
		: >"$new/$topic/series"
		for commit in $(git_linux rev-list --reverse "$before..$topic"); do
			n=$((n + 1)) all=$((all + 1))
			name=$topic/$(printf '%04d-%s.patch' "$n" "$(git_linux log -1 --format=%f "$commit" | cut -c 1-52)")
			git_linux format-patch -1 --stdout --always --no-numbered --zero-commit --no-signature --no-stat --no-renames \
				--abbrev=12 --diff-filter=a "$commit" >"$new/$name"
			echo "${name#*/}" >>"$new/$topic/series"
			while read -r status file; do
				case $status$added in
				A*)	added+="$file "
					printf '\t%s\n' "$file" >>"$new/$topic/series" ;;
				D*" $file "*) die "$name deletes or renames $file, which an earlier commit adds: squash them" ;;
				esac
			done < <(git_linux diff-tree -r --no-commit-id --no-renames --name-status "$commit")
		done
		before=$topic
	done
	(cd "$top" && overlay | xargs -r rm -f && rm -f patches/*/[0-9]*.patch)
	cp -r "$new"/* "$top/patches/"
	rm -rf "$new"
	# shellcheck disable=SC2086
	[ "$added" = " " ] || git_linux archive HEAD $added | tar -x -m -C "$top"
	rm -f "$linux/.git/series-key"
	tree
	say "$all commits written to patches/"
}

check()
{
	local file bad=0
	need shellcheck perl python3 python3-ply python3-git
	series
	progress "checkpatch" . 0 sh -c "cd '$linux' && printf '%s\n' ../series/*/*.patch |
		xargs -r -n 1 -P $(nproc) perl scripts/checkpatch.pl --strict --terse --no-summary --show-types --ignore FILE_PATH_CHANGES,AVOID_EXTERNS,CAMELCASE,VOLATILE" ||
		{ sed -n '/^== checkpatch/,$s/^\.\.\/series\///p' "$log"; bad=1; }
	(cd "$top" && shellcheck -ax -P harness harness/main harness/init harness/workload .ci/run) || bad=1
	for file in $(overlay) harness/main harness/tar-import example/hits.c example/hits.bpf.c; do
		head -n 2 "$top/$file" | grep -q 'SPDX-License-Identifier: ' || { say "$file has no SPDX line"; bad=1; }
	done
	diff <(awk '/^\.\. code-block:: c/ { c = 1; next } /^[^ ]/ { c = 0 } c' "$top/Documentation/bpf/percpu_data.rst" | sed 's/^  //' | unexpand --first-only | grep .) \
		<(sed /SPDX/d "$top"/example/hits.{bpf.c,c} | grep .) || { say "the document's program is not that of example/"; bad=1; }
	[ "$bad" = 0 ] || die "make check found something"
	say "the series applies; checkpatch, shellcheck and SPDX lines are clean"
}
