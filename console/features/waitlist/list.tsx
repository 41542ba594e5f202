"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import type { WaitlistState } from "undercroft-client";
import dynamic from "next/dynamic";
import Link from "next/link";
import { useCallback, useState } from "react";
import { useNow } from "use-intl";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { DateTime, RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Badge, Empty, PageHeader } from "@/components/ui/layout";
import { useHasModule } from "@/features/shell/config";
import { useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { WAITLIST, waitlistQuery, type Entry } from "./queries";

const InviteForm = dynamic(() => import("./invite-form").then((module) => module.InviteForm));

const STATES = ["waiting", "invited", "registered"] as const satisfies WaitlistState[];
const SORTS = ["created_at", "-created_at", "-invited_at", "email"] as const;
const MOST = 200;
const MINUTE = 60_000;

const TONES = { waiting: "neutral", invited: "neutral", registered: "good" } as const;

export function Waitlist() {
  const t = useTranslations("waitlist");
  const [params, change] = useParams();
  const [isInviting, setInviting] = useState(false);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const filters = {
    q: params.get("q") || undefined,
    state: (params.get("state") as WaitlistState | null) ?? undefined,
    sort: (params.get("sort") as (typeof SORTS)[number] | null) ?? SORTS[0],
  };
  const entries = useInfiniteQuery(waitlistQuery(filters));
  const total = entries.data?.pages[0]?.total ?? undefined;
  const search = useCallback((q: string) => change({ q }), [change]);
  const isFiltered = filters.q !== undefined || filters.state !== undefined;
  const select = (id: string, isSelected: boolean) =>
    setSelected((before) => {
      const after = new Set(before);
      if (isSelected) after.add(id);
      else after.delete(id);
      return after;
    });

  return (
    <>
      <PageHeader
        title={t("title")}
        text={t("text")}
        actions={<Button onClick={() => setInviting(true)}>{t("inviteNext")}</Button>}
      />
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        <FilterSelect
          label={t("state")}
          value={filters.state ?? ""}
          options={[
            { value: "", label: t("anyState") },
            ...STATES.map((value) => ({ value, label: t(`states.${value}`) })),
          ]}
          onChange={(state) => change({ state })}
        />
        <FilterSelect
          label={t("sort")}
          value={filters.sort}
          options={SORTS.map((value) => ({ value, label: t(`sorts.${value}`) }))}
          onChange={(sort) => change({ sort })}
        />
      </Toolbar>
      <div className="mb-3 flex min-h-8 flex-wrap items-center gap-x-4 gap-y-2 text-sm text-quiet">
        {total !== undefined && <p role="status">{t("total", { count: total })}</p>}
        {selected.size > 0 && <Selection selected={selected} onDone={() => setSelected(new Set())} />}
      </div>
      <List
        query={entries}
        label={t("title")}
        keyOf={(entry) => entry.id}
        render={(entry) => (
          <EntryRow
            entry={entry}
            isSelected={selected.has(entry.id)}
            onSelect={(isSelected) => select(entry.id, isSelected)}
          />
        )}
        empty={isFiltered ? <Empty title={t("noMatchTitle")} text={t("noMatchText")} /> : <NoEntries />}
      />
      <Dialog open={isInviting} onOpenChange={setInviting} title={t("inviteNext")} description={t("inviteNextText")}>
        <InviteForm onInvited={() => setInviting(false)} />
      </Dialog>
    </>
  );
}

function NoEntries() {
  const t = useTranslations("waitlist");
  const has = useHasModule();
  const href = useTeamHref();
  return (
    <Empty
      title={t("emptyTitle")}
      text={t("emptyText")}
      action={
        has("system_settings") && (
          <Button asChild variant="secondary">
            <Link href={href("/admin/settings/", { q: "SIGN_UP_POLICY" })} prefetch={false}>
              {t("openSettings")}
            </Link>
          </Button>
        )
      }
    />
  );
}

interface SelectionProps {
  selected: ReadonlySet<string>;
  onDone: () => void;
}

function Selection({ selected, onDone }: SelectionProps) {
  const t = useTranslations("waitlist");
  const invite = useInvite(onDone);
  const isTooMany = selected.size > MOST;
  return (
    <>
      <Button
        variant="secondary"
        size="small"
        pending={invite.isPending}
        disabled={isTooMany}
        className="text-ink"
        onClick={() => invite.mutate([...selected])}
      >
        {t("inviteSelected", { count: selected.size })}
      </Button>
      <Button variant="quiet" size="small" onClick={onDone}>
        {t("clearSelection")}
      </Button>
      {isTooMany && <span className="text-bad">{t("tooMany", { most: MOST })}</span>}
    </>
  );
}

function useInvite(onDone?: () => void) {
  const t = useTranslations("waitlist");
  return useAction({
    run: (ids: string[], key) => api.waitingList.inviteFromWaitlist({ entry_ids: ids, "Idempotency-Key": key }),
    success: ({ invited }) => t("invited", { count: invited }),
    invalidates: [WAITLIST],
    onSuccess: onDone,
  });
}

interface RowProps {
  entry: Entry;
  isSelected: boolean;
  onSelect: (isSelected: boolean) => void;
}

function EntryRow({ entry, isSelected, onSelect }: RowProps) {
  const t = useTranslations("waitlist");
  const invite = useInvite();
  const remove = useAction({
    run: () => api.waitingList.removeFromWaitlist({ entry_id: entry.id }),
    success: t("removed"),
    invalidates: [WAITLIST],
    onSuccess: () => onSelect(false),
  });
  const inviteLabel = t(entry.state === "invited" ? "inviteAgain" : "invite");
  const canInvite = entry.state !== "registered";
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3">
      <input
        type="checkbox"
        aria-label={t("select", { email: entry.email })}
        disabled={!canInvite}
        checked={isSelected}
        onChange={(event) => onSelect(event.target.checked)}
        className="size-4 accent-accent"
      />
      <div className="min-w-0 flex-1 basis-60">
        <p className="truncate font-medium">{entry.email}</p>
        <p className="text-sm text-quiet">
          <State entry={entry} />
        </p>
      </div>
      <Badge tone={TONES[entry.state]}>{t(`states.${entry.state}`)}</Badge>
      <div className="flex flex-wrap gap-2">
        {canInvite && (
          <Button
            variant="secondary"
            size="small"
            pending={invite.isPending}
            aria-label={t("labeled", { label: inviteLabel, email: entry.email })}
            onClick={() => invite.mutate([entry.id])}
          >
            {inviteLabel}
          </Button>
        )}
        <Confirm
          title={t("removeTitle", { email: entry.email })}
          text={t(entry.state === "registered" ? "removeRegisteredText" : "removeText")}
          action={t("remove")}
          onConfirm={() => remove.mutateAsync()}
        >
          <Button variant="danger" size="small" aria-label={t("labeled", { label: t("remove"), email: entry.email })}>
            {t("remove")}
          </Button>
        </Confirm>
      </div>
    </div>
  );
}

/** Since when the entry is in its state. */
function State({ entry }: { entry: Entry }) {
  const t = useTranslations("waitlist");
  const now = useNow({ updateInterval: MINUTE });
  const { invited_at: invitedAt, invitation_expires_at: until, registered_at: registeredAt } = entry;
  if (entry.state === "registered" && registeredAt !== null)
    return t.rich("registeredAt", { time: () => <RelativeTime value={registeredAt} /> });
  if (entry.state === "invited" && invitedAt !== null && until !== null)
    return t.rich(Date.parse(until) > now.getTime() ? "invitedUntil" : "invitationExpired", {
      time: () => <RelativeTime value={invitedAt} />,
      until: () => <DateTime value={until} />,
    });
  return t.rich("waitingSince", { time: () => <RelativeTime value={entry.created_at} /> });
}
