"use client";

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Ellipsis, UserPlus } from "lucide-react";
import Link from "next/link";
import { useCallback, useState } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Badge, Card, Empty } from "@/components/ui/layout";
import { Menu, type MenuEntry } from "@/components/ui/menu";
import { useMe } from "@/features/session/session";
import { CreateTeamButton } from "@/features/teams/create-button";
import { useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { ChangeRole } from "./change-role";
import { LeaveTeam } from "./leave";
import { TeamPage } from "./page";
import { memberCountQuery, membersQuery, type Member, type MemberFilters } from "./queries";
import { RemoveMember } from "./remove-member";
import { useRoleLabel, useRoles } from "./use-roles";

const SORTS = ["full_name", "-created_at", "created_at"] as const;

export function MemberList() {
  const t = useTranslations("team.members");
  const team = useTeam();
  const can = useCan();
  const href = useTeamHref();
  const invite = can("invitations:write") && !team.is_personal && (
    <Button asChild>
      <Link href={href("/team/invitations/", { new: "1" })} prefetch={false}>
        <UserPlus className="size-4" aria-hidden />
        {t("invite")}
      </Link>
    </Button>
  );
  return (
    <TeamPage text={t("text")} actions={invite || undefined}>
      {team.is_personal ? <PersonalTeam /> : <Members />}
    </TeamPage>
  );
}

function PersonalTeam() {
  const t = useTranslations("team");
  return (
    <Card>
      <Empty title={t("personalTitle")} text={t("personalText")} action={<CreateTeamButton />} />
    </Card>
  );
}

type Chosen = { action: "role" | "remove" | "leave"; member: Member };

function Members() {
  const t = useTranslations("team.members");
  const team = useTeam();
  const [params, change] = useParams();
  const roles = useRoles();
  const [chosen, setChosen] = useState<Chosen>();
  const filters: MemberFilters = {
    q: params.get("q") || undefined,
    role: params.get("role") || undefined,
    sort: SORTS.find((sort) => sort === params.get("sort")) ?? SORTS[0],
  };
  const members = useInfiniteQuery(membersQuery(team.id, filters));
  const search = useCallback((q: string) => change({ q }), [change]);
  const total = members.data?.pages[0]?.total;
  const close = () => setChosen(undefined);

  return (
    <>
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        <FilterSelect
          label={t("role")}
          value={filters.role ?? ""}
          options={[{ value: "", label: t("anyRole") }, ...roles.map(({ name, label }) => ({ value: name, label }))]}
          onChange={(role) => change({ role })}
        />
        <FilterSelect
          label={t("sort")}
          value={filters.sort ?? ""}
          options={SORTS.map((value) => ({ value, label: t(`sorts.${value}`) }))}
          onChange={(sort) => change({ sort })}
        />
      </Toolbar>
      <List
        query={members}
        label={t("title")}
        keyOf={(member) => member.user_id}
        render={(member) => <MemberRow member={member} onChoose={(action) => setChosen({ action, member })} />}
        empty={<Empty title={t("noMatchTitle")} text={t("noMatchText")} />}
      />
      {total != null && (
        <p className="mt-3 text-sm text-quiet" role="status">
          {t("total", { total })}
        </p>
      )}
      <ChangeRole member={chosen?.action === "role" ? chosen.member : undefined} onClose={close} />
      <RemoveMember member={chosen?.action === "remove" ? chosen.member : undefined} onClose={close} />
      <LeaveTeam open={chosen?.action === "leave"} onClose={close} />
    </>
  );
}

interface RowProps {
  member: Member;
  onChoose: (action: Chosen["action"]) => void;
}

function MemberRow({ member, onChoose }: RowProps) {
  const t = useTranslations("team.members");
  const me = useMe();
  const label = useRoleLabel();
  const name = member.full_name || member.email;
  const actions = useActions(member, onChoose);
  return (
    <div className="flex items-center gap-3 px-5 py-3">
      <span
        aria-hidden
        className="grid size-9 shrink-0 place-items-center rounded-full bg-accent/15 text-sm font-semibold text-accent"
      >
        {name.charAt(0).toUpperCase()}
      </span>
      <div className="flex min-w-0 flex-1 flex-wrap items-center gap-x-4 gap-y-1">
        <div className="min-w-0 flex-1 basis-44">
          <p className="truncate font-medium">
            {name} {member.user_id === me.id && <span className="font-normal text-quiet">{t("you")}</span>}
          </p>
          {member.full_name && <p className="truncate text-sm text-quiet">{member.email}</p>}
        </div>
        <Badge>{label(member.role)}</Badge>
        <span className="w-44 text-sm text-quiet max-sm:hidden">
          {t.rich("joined", { time: () => <RelativeTime value={member.joined_at} /> })}
        </span>
      </div>
      <div className="size-9 shrink-0">
        {actions.length > 0 && (
          <Menu
            trigger={
              <Button variant="quiet" size="icon" aria-label={t("actions", { name })}>
                <Ellipsis className="size-4" aria-hidden />
              </Button>
            }
            entries={actions}
          />
        )}
      </div>
    </div>
  );
}

/** What the user may do with a member: it takes all permissions of the member's role, and an owner remains. */
function useActions(member: Member, onChoose: RowProps["onChoose"]): MenuEntry[] {
  const t = useTranslations("team.members");
  const me = useMe();
  const team = useTeam();
  const can = useCan();
  const roles = useRoles();
  const owners = useQuery({ ...memberCountQuery(team.id, "owner"), enabled: member.role === "owner" });
  const isOnlyOwner = member.role === "owner" && (owners.data ?? 1) < 2;
  const isManaged = can("members:write") && (roles.find(({ name }) => name === member.role)?.isAssignable ?? true);
  const isMe = member.user_id === me.id;
  return [
    ...(isManaged && !isOnlyOwner ? [{ label: t("changeRole"), onSelect: () => onChoose("role") }] : []),
    ...(isManaged && !isOnlyOwner && !isMe ? [{ label: t("remove"), onSelect: () => onChoose("remove") }] : []),
    ...(isMe ? [{ label: t("leave"), onSelect: () => onChoose("leave") }] : []),
  ];
}
