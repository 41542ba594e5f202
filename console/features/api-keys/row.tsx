"use client";

import { Ellipsis, Pencil, RefreshCw, Trash2 } from "lucide-react";
import type { ApiKeyWithSecret } from "undercroft-client";
import dynamic from "next/dynamic";
import { useState } from "react";
import { DateTime, RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { ConfirmDialog } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Badge } from "@/components/ui/layout";
import { Menu } from "@/components/ui/menu";
import { useCan, useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { apiKeysKey, type ApiKey } from "./queries";

const EditApiKeyForm = dynamic(() => import("./edit-form").then((module) => module.EditApiKeyForm));
const RotateApiKeyForm = dynamic(() => import("./rotate-form").then((module) => module.RotateApiKeyForm));

interface Props {
  apiKey: ApiKey;
  onRotated: (key: ApiKeyWithSecret) => void;
}

export function ApiKeyRow({ apiKey, onRotated }: Props) {
  const t = useTranslations("apiKeys");
  const can = useCan();
  const { scopes, expires_at, last_used_at, previous_until } = apiKey;
  const isExpired = expires_at !== null && new Date(expires_at) <= new Date();
  return (
    <div className="flex items-start gap-3 px-5 py-4">
      <div className="grid min-w-0 flex-1 gap-1">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span className="font-medium break-words">{apiKey.name}</span>
          <code className="text-sm text-quiet">{apiKey.prefix}…</code>
          {apiKey.kind === "team" && <Badge>{t("kinds.team")}</Badge>}
          {isExpired && <Badge tone="bad">{t("expired")}</Badge>}
        </p>
        <p className="text-sm break-words text-quiet">
          {scopes === null ? t("allPermissions") : scopes.length === 0 ? t("noPermissions") : scopes.join(", ")}
        </p>
        <p className="text-sm text-quiet">
          {t.rich("created", { time: () => <DateTime value={apiKey.created_at} /> })}
          {" · "}
          {last_used_at === null
            ? t("neverUsed")
            : t.rich("used", { time: () => <RelativeTime value={last_used_at} /> })}
          {" · "}
          {expires_at === null
            ? t("noExpiry")
            : t.rich(isExpired ? "expiredAt" : "expires", { time: () => <RelativeTime value={expires_at} /> })}
        </p>
        {previous_until !== null && (
          <p className="text-sm">{t.rich("previousUntil", { time: () => <DateTime value={previous_until} /> })}</p>
        )}
      </div>
      {(apiKey.kind === "user" || can("api_keys:write")) && <Actions apiKey={apiKey} onRotated={onRotated} />}
    </div>
  );
}

function Actions({ apiKey, onRotated }: Props) {
  const t = useTranslations("apiKeys");
  const common = useTranslations("common");
  const team = useTeam();
  const can = useCan();
  const [open, setOpen] = useState<"edit" | "rotate" | "delete">();
  const close = () => setOpen(undefined);
  const remove = useAction({
    run: () => api.apiKeys.delete({ key_id: apiKey.id, "X-Team-ID": team.id }),
    success: t("deleted", { name: apiKey.name }),
    invalidates: [apiKeysKey(team.id)],
  });
  // The user learns the secret of a team's key, so the server refuses more permissions than the user has.
  const canRotate = apiKey.kind === "user" || (apiKey.scopes ?? []).every((scope) => can(scope));
  const trigger = (
    <Button variant="quiet" size="icon" aria-label={t("actions", { name: apiKey.name })}>
      <Ellipsis className="size-5" aria-hidden />
    </Button>
  );
  return (
    <>
      <Menu
        trigger={trigger}
        entries={[
          { label: common("edit"), icon: Pencil, onSelect: () => setOpen("edit") },
          ...(canRotate ? [{ label: t("rotate"), icon: RefreshCw, onSelect: () => setOpen("rotate") }] : []),
          { separator: true },
          { label: common("delete"), icon: Trash2, onSelect: () => setOpen("delete") },
        ]}
      />
      <Dialog open={open === "edit"} onOpenChange={close} title={t("edit")}>
        <EditApiKeyForm apiKey={apiKey} onSaved={close} />
      </Dialog>
      <Dialog
        open={open === "rotate"}
        onOpenChange={close}
        title={t("rotateTitle", { name: apiKey.name })}
        description={t("rotateText")}
      >
        <RotateApiKeyForm
          apiKey={apiKey}
          onRotated={(rotated) => {
            close();
            onRotated(rotated);
          }}
        />
      </Dialog>
      <ConfirmDialog
        open={open === "delete"}
        onOpenChange={close}
        title={t("deleteTitle", { name: apiKey.name })}
        text={t("deleteText")}
        action={common("delete")}
        onConfirm={() => remove.mutateAsync()}
      />
    </>
  );
}
