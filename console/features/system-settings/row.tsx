"use client";

import dynamic from "next/dynamic";
import { useState } from "react";
import { DateTime, RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { Switch } from "@/components/ui/switch";
import { useTranslations } from "@/lib/i18n";
import { useChange, useReset } from "./actions";
import { controlOf } from "./control";
import type { Setting } from "./queries";
import { Description, useSettingTexts } from "./texts";

const SettingForm = dynamic(() => import("./form").then((module) => module.SettingForm));

export function SettingRow({ setting }: { setting: Setting }) {
  const texts = useSettingTexts();
  const isSwitch = controlOf(setting).kind === "boolean";
  const description = texts.descriptionOf(setting);
  return (
    <div className="flex flex-wrap items-start gap-x-6 gap-y-3">
      <div className="min-w-0 flex-1 basis-72">
        <h3 className="font-medium break-words">{texts.labelOf(setting)}</h3>
        {texts.labelOf(setting) !== setting.name && <code className="text-xs text-quiet">{setting.name}</code>}
        <p className="mt-1 text-sm break-words text-quiet">
          <Description>{description}</Description>
        </p>
        {!isSwitch && <Value setting={setting} />}
        {setting.is_changed && <Change setting={setting} />}
      </div>
      <div className="flex flex-wrap items-center gap-2">
        {isSwitch ? <Toggle setting={setting} /> : <Edit setting={setting} />}
        {setting.is_changed && <Reset setting={setting} />}
      </div>
    </div>
  );
}

function Value({ setting }: { setting: Setting }) {
  const t = useTranslations("settings");
  const texts = useSettingTexts();
  const { value } = setting;
  const isEmpty = value === null || value === "" || (Array.isArray(value) && value.length === 0);
  const control = controlOf(setting);
  if (control.kind === "objects" && Array.isArray(value) && value.length > 0)
    return (
      <ul aria-label={t("value")} className="mt-2 grid gap-2">
        {value.map((item: Record<string, unknown>, index) => (
          <li key={index} className="rounded-lg bg-ground px-3 py-2 text-sm break-words">
            {control.fields
              .filter(({ name }) => item[name] !== null && item[name] !== undefined)
              .map(({ name, control: { kind, ...control } }) => (
                <span key={name} className="block">
                  <span className="text-quiet">{texts.fieldOf(setting, name)}:</span>{" "}
                  {kind === "text" && "isTime" in control && control.isTime ? (
                    <DateTime value={String(item[name])} />
                  ) : (
                    texts.optionOf(setting, String(item[name]))
                  )}
                </span>
              ))}
          </li>
        ))}
      </ul>
    );
  return (
    <p className="mt-2 w-fit max-w-full rounded-lg bg-ground px-3 py-1.5 text-sm break-words whitespace-pre-wrap">
      <span className="sr-only">{t("value")}: </span>
      <span className={isEmpty ? "text-quiet" : undefined}>{texts.valueOf(setting, value)}</span>
    </p>
  );
}

/** Who has set the value, and what it is without that. */
function Change({ setting }: { setting: Setting }) {
  const t = useTranslations("settings");
  const texts = useSettingTexts();
  const { changed_at: changedAt, changed_by_email: changedBy } = setting;
  return (
    <p className="mt-2 text-sm break-words text-quiet">
      {changedAt !== null &&
        t.rich(changedBy === null ? "changed" : "changedBy", {
          time: () => <RelativeTime value={changedAt} />,
          name: changedBy ?? "",
        })}{" "}
      {t("defaultIs", { value: texts.valueOf(setting, setting.default) })}
    </p>
  );
}

function Toggle({ setting }: { setting: Setting }) {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const texts = useSettingTexts();
  const [isAsking, setAsking] = useState(false);
  const change = useChange(setting);
  const isOn = setting.value === true;
  const label = texts.labelOf(setting);
  const warning = texts.warningOf(setting);
  const toggle = () => change.mutate({ value: !isOn, version: setting.version }, { onSuccess: () => setAsking(false) });
  return (
    <>
      <Switch
        checked={isOn}
        label={label}
        pending={change.isPending}
        onClick={() => (isOn || warning === undefined ? toggle() : setAsking(true))}
      />
      <Dialog open={isAsking} onOpenChange={setAsking} title={t("turnOnTitle", { name: label })} description={warning}>
        <DialogActions>
          <Button variant="secondary" onClick={() => setAsking(false)}>
            {common("cancel")}
          </Button>
          <Button variant="danger" pending={change.isPending} onClick={toggle}>
            {t("turnOn")}
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}

function Edit({ setting }: { setting: Setting }) {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const texts = useSettingTexts();
  const [isEditing, setEditing] = useState(false);
  const label = texts.labelOf(setting);
  return (
    <>
      <Button
        variant="secondary"
        size="small"
        aria-label={t("editNamed", { name: label })}
        onClick={() => setEditing(true)}
      >
        {common("edit")}
      </Button>
      <Dialog
        open={isEditing}
        onOpenChange={setEditing}
        title={label}
        description={<Description>{texts.descriptionOf(setting)}</Description>}
      >
        <SettingForm setting={setting} onSaved={() => setEditing(false)} />
      </Dialog>
    </>
  );
}

function Reset({ setting }: { setting: Setting }) {
  const t = useTranslations("settings");
  const texts = useSettingTexts();
  const reset = useReset(setting);
  const label = texts.labelOf(setting);
  return (
    <Confirm
      title={t("resetTitle", { name: label })}
      text={t("resetText", { value: texts.valueOf(setting, setting.default) })}
      action={t("reset")}
      onConfirm={() => reset.mutateAsync()}
    >
      <Button variant="quiet" size="small" aria-label={t("resetNamed", { name: label })}>
        {t("reset")}
      </Button>
    </Confirm>
  );
}
