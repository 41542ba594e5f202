"use client";

import { Fingerprint } from "lucide-react";
import type { PasskeyRead } from "undercroft-client";
import dynamic from "next/dynamic";
import { useState } from "react";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useHydrated } from "@/lib/hydrated";
import { useTranslations } from "@/lib/i18n";
import { supportsPasskeys } from "@/lib/passkeys";
import { Factor, type Removal } from "./factor";
import { MFA } from "./queries";

const AddPasskeyForm = dynamic(() => import("./passkey-forms").then((module) => module.AddPasskeyForm));
const RenamePasskeyForm = dynamic(() => import("./passkey-forms").then((module) => module.RenamePasskeyForm));

interface Props {
  passkeys: readonly PasskeyRead[];
  removal: Removal;
  onCodes: (codes: readonly string[] | null) => void;
}

export function Passkeys({ passkeys, removal, onCodes }: Props) {
  const t = useTranslations("security");
  const isSupported = useHydrated() && supportsPasskeys();
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      {passkeys.map((passkey) => (
        <PasskeyRow key={passkey.id} passkey={passkey} removal={removal} />
      ))}
      <Factor
        icon={<Fingerprint className="size-5" />}
        title={t("passkeys")}
        text={isSupported ? t("passkeysText") : t("passkeysUnsupported")}
      >
        {isSupported && (
          <Button variant="secondary" size="small" onClick={() => setAdding(true)}>
            {t("addPasskey")}
          </Button>
        )}
      </Factor>
      <Dialog open={isAdding} onOpenChange={setAdding} title={t("addPasskey")} description={t("addPasskeyText")}>
        <AddPasskeyForm
          onAdded={(codes) => {
            setAdding(false);
            onCodes(codes);
          }}
        />
      </Dialog>
    </>
  );
}

function PasskeyRow({ passkey, removal }: { passkey: PasskeyRead; removal: Removal }) {
  const t = useTranslations("security");
  const [isRenaming, setRenaming] = useState(false);
  const remove = useAction({
    run: () => api.mfa.removePasskey({ passkey_id: passkey.id }),
    success: t("passkeyRemoved", { name: passkey.name }),
    invalidates: [MFA],
  });
  const used = passkey.last_used_at;
  return (
    <Factor
      icon={<Fingerprint className="size-5" />}
      title={passkey.name}
      text={
        <>
          {t.rich("added", { time: () => <RelativeTime value={passkey.created_at} /> })}
          {" · "}
          {used === null ? t("neverUsed") : t.rich("used", { time: () => <RelativeTime value={used} /> })}
          {removal === "refused" && ` · ${t("lastFactor")}`}
        </>
      }
    >
      <Button
        variant="secondary"
        size="small"
        aria-label={t("renameNamed", { name: passkey.name })}
        onClick={() => setRenaming(true)}
      >
        {t("rename")}
      </Button>
      {removal !== "refused" && (
        <Confirm
          title={t("removeNamed", { name: passkey.name })}
          text={removal === "turns-off" ? t("removeLastText") : t("removePasskeyText")}
          action={t("remove")}
          onConfirm={() => remove.mutateAsync()}
        >
          <Button variant="danger" size="small" aria-label={t("removeNamed", { name: passkey.name })}>
            {t("remove")}
          </Button>
        </Confirm>
      )}
      <Dialog open={isRenaming} onOpenChange={setRenaming} title={t("renamePasskey")}>
        <RenamePasskeyForm passkey={passkey} onRenamed={() => setRenaming(false)} />
      </Dialog>
    </Factor>
  );
}
