#!/bin/sh
# A folder as the newest commit of a branch: sh tools/publish_branch.sh FOLDER REPOSITORY BRANCH MESSAGE
# The branch is added to and never forced: whoever has pulled it (nbgitpuller does in every student's home) can pull again.
set -eu
folder=$1 repository=$2 branch=$3 message=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if git ls-remote --exit-code --heads "$repository" "$branch" >/dev/null; then
    git clone --quiet --depth 1 --branch "$branch" "$repository" "$work/tree"
else
    git init --quiet --initial-branch "$branch" "$work/tree"
fi
git -C "$work/tree" rm -r --quiet --ignore-unmatch .
cp -R "$folder/." "$work/tree"
cd "$work/tree"
git add --all
if git diff --cached --quiet; then
    echo "$branch is up to date"
    exit
fi
git -c user.name="${GITHUB_ACTOR:-stop-when-sure}" -c user.email="${GITHUB_ACTOR:-stop-when-sure}@users.noreply.github.com" \
    commit --quiet --message "$message"
git push --quiet "$repository" "HEAD:refs/heads/$branch"
