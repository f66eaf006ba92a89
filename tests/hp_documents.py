"""LEDM and CDM documents of made-up printers, in the shapes of several generations of HP's firmware."""

from __future__ import annotations

import json
from typing import Any

SCHEMAS = "http://www.hp.com/schemas/imaging/con"
DD = f'xmlns:dd="{SCHEMAS}/dictionaries/1.0/"'
UUID = "1c852a4d-b800-1f08-abcd-3024a9f1b2c3"

LASER = {
    "/DevMgmt/ProductStatusDyn.xml": f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- THIS DATA SUBJECT TO DISCLAIMER(S) --><psdyn:ProductStatusDyn {DD}
xmlns:ad="{SCHEMAS}/ledm/alertdetails/2007/10/31" xmlns:pscat="{SCHEMAS}/ledm/productstatuscategories/2007/10/31"
xmlns:psdyn="{SCHEMAS}/ledm/productstatusdyn/2007/10/31"><dd:Version><dd:Revision>LEDM.29</dd:Revision></dd:Version>
<psdyn:Status><pscat:StatusCategory>inPowerSave</pscat:StatusCategory><psdyn:LocString lang="it">Modalit\u00e0 Pausa
attiva.</psdyn:LocString></psdyn:Status><psdyn:AlertTable><dd:ModificationNumber>18</dd:ModificationNumber>
<psdyn:Alert><ad:ProductStatusAlertID>cartridgeLow</ad:ProductStatusAlertID><dd:SequenceNumber>4</dd:SequenceNumber>
<ad:Severity>Warning</ad:Severity><ad:AlertDetails><ad:AlertDetailsMarkerColor>Black</ad:AlertDetailsMarkerColor>
</ad:AlertDetails><dd:ResourceURI>/DevMgmt/ConsumableConfigDyn.xml</dd:ResourceURI></psdyn:Alert><psdyn:Alert>
<ad:ProductStatusAlertID>genuineHP</ad:ProductStatusAlertID><ad:Severity>Info</ad:Severity></psdyn:Alert>
</psdyn:AlertTable></psdyn:ProductStatusDyn>""".encode(),
    "/DevMgmt/ProductConfigDyn.xml": f"""<?xml version="1.0" encoding="UTF-8"?><prdcfgdyn2:ProductConfigDyn {DD}
xmlns:prdcfgdyn="{SCHEMAS}/ledm/productconfigdyn/2007/11/05"
xmlns:prdcfgdyn2="{SCHEMAS}/ledm/productconfigdyn/2009/03/16"><dd:Version><dd:Revision>LEDM.783</dd:Revision>
</dd:Version><prdcfgdyn:ProductInformation><dd:BoardInfo><dd:SerialNumber>BOARD1</dd:SerialNumber></dd:BoardInfo>
<dd:Version><dd:Date>2024-06-22</dd:Date></dd:Version><dd:MakeAndModel>HP Color LaserJet M255dw</dd:MakeAndModel>
<dd:UUID>{UUID}</dd:UUID><dd:SerialNumber>VNB3R01234</dd:SerialNumber><dd:ProductNumber>7KW64A</dd:ProductNumber>
<dd:PowerSave>on</dd:PowerSave></prdcfgdyn:ProductInformation><prdcfgdyn2:ProductSettings>
<dd:FriendlyName>Office\x09 2</dd:FriendlyName><prdcfgdyn:DeviceInformation><dd:DeviceLocation>2nd floor
</dd:DeviceLocation></prdcfgdyn:DeviceInformation></prdcfgdyn2:ProductSettings></prdcfgdyn2:ProductConfigDyn>
""".encode(),
    "/DevMgmt/ConsumableConfigDyn.xml": f"""<?xml version="1.0" encoding="UTF-8"?><ccdyn:ConsumableConfigDyn {DD}
xmlns:ccdyn="{SCHEMAS}/ledm/consumableconfigdyn/2007/11/19"><ccdyn:ProductConsumableInfo><ccdyn:AtVeryLowSettings>
<ccdyn:ConsumableSetting><dd:ConsumableLabelCode>CMY</dd:ConsumableLabelCode></ccdyn:ConsumableSetting>
</ccdyn:AtVeryLowSettings></ccdyn:ProductConsumableInfo><ccdyn:ConsumableInfo><dd:Capacity>
<dd:MaxCapacity>31</dd:MaxCapacity></dd:Capacity><dd:ConsumableLabelCode>K</dd:ConsumableLabelCode>
<dd:ConsumableLifeState><dd:ConsumableState>ok</dd:ConsumableState>
<dd:MeasuredQuantityState>ok</dd:MeasuredQuantityState><dd:Brand>HP</dd:Brand></dd:ConsumableLifeState>
<dd:ConsumablePercentageLevelRemaining>20</dd:ConsumablePercentageLevelRemaining>
<dd:ConsumableSelectibilityNumber>207X</dd:ConsumableSelectibilityNumber>
<dd:ConsumableTypeEnum>toner</dd:ConsumableTypeEnum><ccdyn:PreviousCartridgeData>
<dd:ConsumablePercentageLevelRemaining>99</dd:ConsumablePercentageLevelRemaining>
<dd:ConsumableTypeEnum>ink</dd:ConsumableTypeEnum></ccdyn:PreviousCartridgeData></ccdyn:ConsumableInfo>
<ccdyn:ConsumableInfo><dd:ConsumableLabelCode>C</dd:ConsumableLabelCode>
<dd:ConsumablePercentageLevelRemaining>30</dd:ConsumablePercentageLevelRemaining>
<dd:ConsumableTypeEnum>toner</dd:ConsumableTypeEnum></ccdyn:ConsumableInfo><ccdyn:ConsumableInfo>
<dd:ConsumableLabelCode>K</dd:ConsumableLabelCode><dd:ConsumableTypeEnum>imageDrum</dd:ConsumableTypeEnum>
</ccdyn:ConsumableInfo></ccdyn:ConsumableConfigDyn>""".encode(),
    "/DevMgmt/ProductUsageDyn.xml": f"""<?xml version="1.0" encoding="UTF-8"?><pudyn:ProductUsageDyn {DD}
xmlns:pudyn="{SCHEMAS}/ledm/productusagedyn/2007/12/11"><pudyn:PrinterSubunit>
<dd:TotalImpressions PEID="5082">1344</dd:TotalImpressions><dd:A4EquivalentImpressions>
<dd:TotalImpressions>1340.5</dd:TotalImpressions></dd:A4EquivalentImpressions><dd:DuplexSheets>408</dd:DuplexSheets>
<dd:MonochromeImpressions>1000</dd:MonochromeImpressions><dd:ColorImpressions>344</dd:ColorImpressions>
</pudyn:PrinterSubunit><pudyn:CopyApplicationSubunit><dd:TotalImpressions>9</dd:TotalImpressions>
</pudyn:CopyApplicationSubunit><pudyn:ConsumableSubunit><pudyn:Consumable><dd:MarkerColor>Black</dd:MarkerColor>
<dd:ConsumableTypeEnum>toner</dd:ConsumableTypeEnum><dd:TotalImpressions>2220</dd:TotalImpressions>
<dd:ConsumableRawPercentageLevelRemaining>21</dd:ConsumableRawPercentageLevelRemaining>
<pudyn:PreviousCartridgeData><dd:ConsumableRawPercentageLevelRemaining>-102</dd:ConsumableRawPercentageLevelRemaining>
</pudyn:PreviousCartridgeData></pudyn:Consumable><pudyn:Consumable><dd:MarkerColor>Cyan</dd:MarkerColor>
<dd:ConsumableTypeEnum>toner</dd:ConsumableTypeEnum>
<dd:ConsumableRawPercentageLevelRemaining>31</dd:ConsumableRawPercentageLevelRemaining></pudyn:Consumable>
</pudyn:ConsumableSubunit></pudyn:ProductUsageDyn>""".encode(),
}
"""A laser printer, asleep, whose firmware has no name but a date."""

TANK_STATUS = f"""<ns0:ProductStatusDyn xmlns:ns0="{SCHEMAS}/ledm/productstatusdyn/2007/10/31"
xmlns:ns3="{SCHEMAS}/ledm/productstatuscategories/2007/10/31" xmlns:ns5="{SCHEMAS}/ledm/alertdetails/2007/10/31">
\t<ns0:Status><ns3:StatusCategory>genuineHP</ns3:StatusCategory></ns0:Status>
\t<ns0:Status><ns3:StatusCategory> processing </ns3:StatusCategory></ns0:Status>
\t<ns0:AlertTable><ns0:Alert><ns5:ProductStatusAlertID>genuineHP</ns5:ProductStatusAlertID>
\t\t<ns5:Severity>Info</ns5:Severity><ns5:AlertPriority>400</ns5:AlertPriority></ns0:Alert></ns0:AlertTable>
</ns0:ProductStatusDyn>""".encode()
"""Of a firmware, or a recorder, that numbers its prefixes."""

OFFICE_CONSUMABLES = f"""<ConsumableConfigDyn xmlns="{SCHEMAS}/ledm/consumableconfigdyn/2007/11/19"><ConsumableInfo>
<ConsumableLabelCode>CMYK</ConsumableLabelCode><ConsumableTypeEnum>printhead</ConsumableTypeEnum>
</ConsumableInfo><ConsumableInfo><ConsumableLabelCode>CMY</ConsumableLabelCode>
<ConsumablePercentageLevelRemaining>50</ConsumablePercentageLevelRemaining>
<ConsumableTypeEnum>inkCartridge</ConsumableTypeEnum></ConsumableInfo><ConsumableInfo>
<ConsumableLabelCode>K</ConsumableLabelCode><ConsumableLowThreshold>200</ConsumableLowThreshold>
<ConsumablePercentageLevelRemaining>80</ConsumablePercentageLevelRemaining>
<ConsumableTypeEnum>inkCartridge</ConsumableTypeEnum></ConsumableInfo></ConsumableConfigDyn>""".encode()
OFFICE_USAGE = f"""<ProductUsageDyn xmlns="{SCHEMAS}/ledm/productusagedyn/2007/12/11"><PrinterSubunit>
<TotalImpressions>4053</TotalImpressions></PrinterSubunit><ConsumableSubunit><Consumable>
<MarkerColor>CyanMagentaYellow</MarkerColor><ConsumableTypeEnum>inkCartridge</ConsumableTypeEnum>
<ConsumableRawPercentageLevelRemaining>44</ConsumableRawPercentageLevelRemaining></Consumable></ConsumableSubunit>
</ProductUsageDyn>""".encode()
"""Of an all-in-one with three colours in one cartridge, and no prefixes at all."""

TREE = f"""<?xml version="1.0"?><ledm:DiscoveryTree {DD} xmlns:ledm="{SCHEMAS}/ledm/2007/09/21"><ledm:SupportedTree>
<dd:ResourceURI>/Other/Status.xml</dd:ResourceURI><dd:ResourceType>ledm:hpLedmProductStatusDyn</dd:ResourceType>
</ledm:SupportedTree><ledm:SupportedTree><dd:ResourceURI>@evil.example/x</dd:ResourceURI>
<dd:ResourceType>ledm:hpLedmProductConfigDyn</dd:ResourceType></ledm:SupportedTree><ledm:SupportedTree>
<dd:ResourceURI>//evil.example/x</dd:ResourceURI><dd:ResourceType>ledm:hpLedmProductUsageDyn</dd:ResourceType>
</ledm:SupportedTree></ledm:DiscoveryTree>""".encode()
"""A tree that has its status elsewhere, and points out of the printer."""


def _json(**facts: Any) -> bytes:
    return json.dumps({"version": "1.1.0", **facts}).encode()


SMART_TANK = {
    "/cdm/system/v1/status": _json(status="inPowerSave"),
    "/cdm/system/v1/identity": _json(
        manufacturer="HP",
        makeAndModel={"base": "Smart Tank 580-590 series", "family": "x", "name": "Smart Tank 580-590 series"},
        serialNumber="CN3AB1C2D3",
        deviceUuid=UUID.upper(),
        firmwareVersion="LWP1CN2630CR",
        firmwareDateCode="202407240158",
    ),
    "/cdm/system/v1/configuration": _json(deviceDescription="", deviceLocation="Shop"),
    "/cdm/print/v2/status": _json(printerState="idle", printerStateReasons=["none"], printerIsAcceptingJobs="true"),
    "/cdm/alert/v1/alerts": _json(
        alerts=[
            {"id": 1, "category": "genuineHPsupply", "severity": "information", "priority": 400, "stringId": 66020},
            {"id": 2, "category": "usedSupplyPrompt", "severity": "information", "priority": 301},
        ]
    ),
    "/cdm/supply/v1/suppliesPublic": _json(
        suppliesList=[
            {"slot": 1, "supplyType": "inkCartridge", "supplyColorCode": "CMY", "colors": ["C", "M", "Y"]},
            {"slot": 3, "supplyType": "inkTank", "supplyColorCode": "K", "percentLifeDisplay": 100, "isUsed": "false"},
            {"slot": 4, "supplyType": "inkTank", "colors": ["C"], "percentLifeDisplay": 70},
        ]
    ),
    "/cdm/deviceUsage/v1/lifetimeCounters": _json(
        printUsage={"impressions": {"monochrome": 647, "total": 10531}, "sheets": {"total": 1369}},
        scanUsage={"sendImages": -16},
    ),
}
"""A tank printer, asleep: heads without a level, and counters that make no sense."""
