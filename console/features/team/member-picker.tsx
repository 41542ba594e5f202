"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { ErrorPanel } from "@/components/error-text";
import { SearchField } from "@/components/list";
import { SkeletonRows } from "@/components/ui/layout";
import { Button } from "@/components/ui/button";
import { useTeam } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { membersQuery, type Member } from "./queries";

interface Props {
  label: string;
  value: string | undefined;
  onChange: (member: Member) => void;
  /** A member who is not offered. */
  exclude?: string;
}

/** Searches the members of the team and chooses one. */
export function MemberPicker({ label, value, onChange, exclude }: Props) {
  const t = useTranslations("team.members");
  const common = useTranslations("common");
  const team = useTeam();
  const name = useId();
  const [q, setQ] = useState("");
  const members = useInfiniteQuery(membersQuery(team.id, { sort: "full_name", ...(q && { q }) }));
  const found = members.data?.pages.flatMap((page) => page.items).filter(({ user_id }) => user_id !== exclude);
  return (
    <fieldset>
      <legend className="sr-only">{label}</legend>
      <SearchField label={t("search")} value={q} onSearch={setQ} />
      <div className="mt-3 max-h-64 overflow-y-auto rounded-lg border border-line" aria-busy={members.isFetching}>
        {members.error ? (
          <ErrorPanel error={members.error} onRetry={() => void members.refetch()} />
        ) : found === undefined ? (
          <SkeletonRows count={3} />
        ) : found.length === 0 ? (
          <p className="p-4 text-sm text-quiet">{t("noMatchTitle")}</p>
        ) : (
          found.map((member) => (
            <label
              key={member.user_id}
              className="flex cursor-pointer items-center gap-3 border-b border-line px-3 py-2 text-sm last:border-0 hover:bg-ground has-checked:bg-accent/10"
            >
              <input
                type="radio"
                name={name}
                className="size-4 accent-accent"
                checked={member.user_id === value}
                onChange={() => onChange(member)}
              />
              <span className="min-w-0">
                <span className="block truncate">{member.full_name || member.email}</span>
                {member.full_name && <span className="block truncate text-quiet">{member.email}</span>}
              </span>
            </label>
          ))
        )}
        {members.hasNextPage && (
          <div className="p-2 text-center">
            <Button
              variant="quiet"
              size="small"
              pending={members.isFetchingNextPage}
              onClick={() => void members.fetchNextPage()}
            >
              {common("loadMore")}
            </Button>
          </div>
        )}
      </div>
    </fieldset>
  );
}
